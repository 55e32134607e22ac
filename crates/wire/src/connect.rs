//! The CONNECT document: what a client says about itself.
//!
//! Parses as Go's `encoding/json` does where clients could notice: keys match
//! without regard to ASCII case, unknown keys are ignored, `null` leaves a
//! value as it was, of repeated keys the last wins, bytes that are not UTF-8
//! become U+FFFD, a value of the wrong type is an error. Invariants: secrets
//! appear neither in `Debug` nor in an error; nesting is bounded by
//! `serde_json` (128), size by the control line. Called by `session`; absent:
//! any judgement of the credentials (`cognate-auth`). Stricter than Go: half a
//! surrogate pair (`"\ud800"`) is an error.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use zeroize::Zeroize as _;

/// Which subjects a connection may use, as named in `import` and `export`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectPermission {
    /// Allowed subjects.
    pub allow: Vec<String>,
    /// Denied subjects.
    pub deny: Vec<String>,
}

/// The fields of CONNECT; a text that was not sent is empty.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectOptions {
    /// Acknowledge every operation with `+OK`. Default true.
    pub verbose: bool,
    /// Check publish subjects. Default true.
    pub pedantic: bool,
    /// Deliver the client's own messages to it too. Default true.
    pub echo: bool,
    /// The client wants TLS; informational.
    pub tls_required: bool,
    /// The client's public nkey.
    pub nkey: String,
    /// The user's JWT. Secret.
    pub jwt: String,
    /// Signature of the nonce, base64url. Secret.
    pub sig: String,
    /// An authentication token. Secret.
    pub auth_token: String,
    /// The user's name.
    pub user: String,
    /// The password. Secret.
    pub pass: String,
    /// The client's own name, shown in connz.
    pub name: String,
    /// The client library's language.
    pub lang: String,
    /// The client library's version.
    pub version: String,
    /// 0, or 1 if the client takes INFO at any time; others are refused.
    pub protocol: i64,
    /// Obsolete; a client that names one is refused.
    pub account: String,
    /// Obsolete; a client that sets it is refused.
    pub new_account: bool,
    /// The client understands headers. Default false.
    pub headers: bool,
    /// The client wants 503 replies when nobody listens. Default false.
    pub no_responders: bool,
    /// Leaf nodes and routes only.
    pub import: Option<SubjectPermission>,
    /// Leaf nodes and routes only.
    pub export: Option<SubjectPermission>,
    /// Leaf nodes only.
    pub remote_account: String,
    /// A trusted proxy's signature of the nonce. Secret.
    pub proxy_sig: String,
}

impl Drop for ConnectOptions {
    /// Wipes the secrets.
    fn drop(&mut self) {
        for secret in [
            &mut self.jwt,
            &mut self.sig,
            &mut self.auth_token,
            &mut self.pass,
            &mut self.proxy_sig,
        ] {
            secret.zeroize();
        }
    }
}

impl Default for ConnectOptions {
    /// What holds before CONNECT and for keys that it does not name.
    fn default() -> Self {
        ConnectOptions {
            verbose: true,
            pedantic: true,
            echo: true,
            tls_required: false,
            nkey: String::new(),
            jwt: String::new(),
            sig: String::new(),
            auth_token: String::new(),
            user: String::new(),
            pass: String::new(),
            name: String::new(),
            lang: String::new(),
            version: String::new(),
            protocol: 0,
            account: String::new(),
            new_account: false,
            headers: false,
            no_responders: false,
            import: None,
            export: None,
            remote_account: String::new(),
            proxy_sig: String::new(),
        }
    }
}

/// A CONNECT document that cannot be read; the server closes the connection
/// with [`crate::CloseReason::ProtocolViolation`] and no `-ERR`.
///
/// Says where and what kind of mistake, never the text: it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectError {
    problem: &'static str,
    column: usize,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "CONNECT options at byte {}: {}",
            self.column, self.problem
        )
    }
}

impl std::error::Error for ConnectError {}

impl From<serde_json::Error> for ConnectError {
    fn from(error: serde_json::Error) -> Self {
        use serde_json::error::Category;
        let problem = match error.classify() {
            Category::Data => "a value has the wrong type",
            Category::Eof => "the JSON text ends too early",
            Category::Syntax | Category::Io => "not valid JSON",
        };
        ConnectError {
            problem,
            column: error.column(),
        }
    }
}

impl ConnectOptions {
    /// Reads the text after `CONNECT` over NATS's defaults.
    ///
    /// # Errors
    /// The text is not one JSON object (or `null`), or a known key has a value
    /// of the wrong type.
    pub fn parse(json: &[u8]) -> Result<ConnectOptions, ConnectError> {
        ConnectOptions::default().updated(json)
    }

    /// Reads the text of a further CONNECT: keys that it does not name keep
    /// their value from the earlier one, as in nats-server.
    ///
    /// # Errors
    /// Those of [`ConnectOptions::parse`].
    pub fn updated(&self, json: &[u8]) -> Result<ConnectOptions, ConnectError> {
        let mut options = self.clone();
        let text = String::from_utf8_lossy(json);
        let mut deserializer = serde_json::Deserializer::from_str(&text);
        Update(&mut options).deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(options)
    }

    /// Whether the options have a secret in them, or a signature: something that proves who sent them.
    pub fn has_proof(&self) -> bool {
        let Self {
            jwt,
            sig,
            auth_token,
            pass,
            proxy_sig,
            ..
        } = self;
        [jwt, sig, auth_token, pass, proxy_sig]
            .iter()
            .any(|proof| !proof.is_empty())
    }

    fn set_field<'de, A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key {
            "verbose" => set(&mut self.verbose, map),
            "pedantic" => set(&mut self.pedantic, map),
            "echo" => set(&mut self.echo, map),
            "tls_required" => set(&mut self.tls_required, map),
            "nkey" => set(&mut self.nkey, map),
            "jwt" => set(&mut self.jwt, map),
            "sig" => set(&mut self.sig, map),
            "auth_token" => set(&mut self.auth_token, map),
            "user" => set(&mut self.user, map),
            "pass" => set(&mut self.pass, map),
            "name" => set(&mut self.name, map),
            "lang" => set(&mut self.lang, map),
            "version" => set(&mut self.version, map),
            "protocol" => set(&mut self.protocol, map),
            "account" => set(&mut self.account, map),
            "new_account" => set(&mut self.new_account, map),
            "headers" => set(&mut self.headers, map),
            "no_responders" => set(&mut self.no_responders, map),
            "import" => map.next_value().map(|value| self.import = value),
            "export" => map.next_value().map(|value| self.export = value),
            "remote_account" => set(&mut self.remote_account, map),
            "proxy_sig" => set(&mut self.proxy_sig, map),
            _ => map.next_value::<IgnoredAny>().map(drop),
        }
    }
}

/// Takes the value of a key unless it is `null`.
fn set<'de, T, A>(field: &mut T, map: &mut A) -> Result<(), A::Error>
where
    T: serde::Deserialize<'de>,
    A: MapAccess<'de>,
{
    if let Some(value) = map.next_value::<Option<T>>()? {
        *field = value;
    }
    Ok(())
}

/// Applies a JSON object to options that already hold values.
struct Update<'a>(&'a mut ConnectOptions);

impl<'de> DeserializeSeed<'de> for Update<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Update<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(mut key) = map.next_key::<String>()? {
            key.make_ascii_lowercase();
            self.0.set_field(&key, &mut map)?;
        }
        Ok(())
    }
}

impl<'de> serde::Deserialize<'de> for SubjectPermission {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PermissionVisitor)
    }
}

struct PermissionVisitor;

impl<'de> Visitor<'de> for PermissionVisitor {
    type Value = SubjectPermission;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with allow and deny")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SubjectPermission, A::Error> {
        let mut permission = SubjectPermission::default();
        while let Some(mut key) = map.next_key::<String>()? {
            key.make_ascii_lowercase();
            match key.as_str() {
                "allow" => permission.allow = subjects(&mut map)?,
                "deny" => permission.deny = subjects(&mut map)?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(permission)
    }
}

/// A list of texts, in which `null` stands for the empty list or text.
fn subjects<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Vec<String>, A::Error> {
    let list = map
        .next_value::<Option<Vec<Option<String>>>>()?
        .unwrap_or_default();
    Ok(list.into_iter().map(Option::unwrap_or_default).collect())
}

impl fmt::Debug for ConnectOptions {
    /// Like a derived one, but of secrets it only tells whether they are set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |secret: &String| if secret.is_empty() { "" } else { "[REDACTED]" };
        f.debug_struct("ConnectOptions")
            .field("verbose", &self.verbose)
            .field("pedantic", &self.pedantic)
            .field("echo", &self.echo)
            .field("tls_required", &self.tls_required)
            .field("nkey", &self.nkey)
            .field("jwt", &hidden(&self.jwt))
            .field("sig", &hidden(&self.sig))
            .field("auth_token", &hidden(&self.auth_token))
            .field("user", &self.user)
            .field("pass", &hidden(&self.pass))
            .field("name", &self.name)
            .field("lang", &self.lang)
            .field("version", &self.version)
            .field("protocol", &self.protocol)
            .field("account", &self.account)
            .field("new_account", &self.new_account)
            .field("headers", &self.headers)
            .field("no_responders", &self.no_responders)
            .field("import", &self.import)
            .field("export", &self.export)
            .field("remote_account", &self.remote_account)
            .field("proxy_sig", &hidden(&self.proxy_sig))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, change: impl FnOnce(&mut ConnectOptions)) {
        let mut expected = ConnectOptions::default();
        change(&mut expected);
        assert_eq!(
            ConnectOptions::parse(json.as_bytes()).as_ref(),
            Ok(&expected),
            "{json}"
        );
    }

    #[test]
    fn every_field_is_read() {
        let json = r#"{"verbose":false,"pedantic":false,"echo":false,"tls_required":true,
            "nkey":"a","jwt":"b","sig":"c","auth_token":"d","user":"e","pass":"f","name":"g",
            "lang":"h","version":"i","protocol":1,"account":"j","new_account":true,
            "headers":true,"no_responders":true,"import":{"allow":["k"],"deny":["l",null]},
            "export":{},"remote_account":"m","proxy_sig":"n"}"#;
        let permission = SubjectPermission {
            allow: vec!["k".into()],
            deny: vec!["l".into(), String::new()],
        };
        let expected = ConnectOptions {
            verbose: false,
            pedantic: false,
            echo: false,
            tls_required: true,
            nkey: "a".into(),
            jwt: "b".into(),
            sig: "c".into(),
            auth_token: "d".into(),
            user: "e".into(),
            pass: "f".into(),
            name: "g".into(),
            lang: "h".into(),
            version: "i".into(),
            protocol: 1,
            account: "j".into(),
            new_account: true,
            headers: true,
            no_responders: true,
            import: Some(permission),
            export: Some(SubjectPermission::default()),
            remote_account: "m".into(),
            proxy_sig: "n".into(),
        };
        check(json, |options| *options = expected);
    }

    #[test]
    fn a_proof_is_whatever_can_be_believed_or_not() {
        let has_proof = |json: &str| {
            let options = ConnectOptions::parse(json.as_bytes());
            options.is_ok_and(|options| options.has_proof())
        };
        for key in ["jwt", "sig", "auth_token", "pass", "proxy_sig"] {
            assert!(has_proof(&format!("{{\"{key}\":\"x\"}}")), "{key}");
            assert!(!has_proof(&format!("{{\"{key}\":\"\"}}")), "{key}");
        }
        for key in ["user", "nkey", "name", "account"] {
            assert!(!has_proof(&format!("{{\"{key}\":\"x\"}}")), "{key}");
        }
    }

    #[test]
    fn reading_is_as_tolerant_as_gos() {
        check("{}", |_| ());
        check(" null ", |_| ());
        check(
            r#"{"verbose":null,"name":null,"protocol":null,"import":null}"#,
            |_| (),
        );
        check(r#"{"VERBOSE":false,"Pass":"x"}"#, |o| {
            o.verbose = false;
            o.pass = "x".into();
        });
        check(r#"{"name":"a","name":"b"}"#, |o| o.name = "b".into());
        check(r#"{"name":"a","name":null}"#, |o| o.name = "a".into());
        check(r#"{"what":[1,{"ever":null}],"protocol":7}"#, |o| {
            o.protocol = 7
        });
        check(r#"{"p\u0061ss":"\u00fc\n"}"#, |o| o.pass = "ü\n".into());
        let lossy = ConnectOptions::parse(b"{\"name\":\"a\xff\"}");
        assert_eq!(lossy.map(|o| o.name.clone()), Ok("a\u{fffd}".to_string()));
    }

    #[test]
    fn mistakes_are_named_without_their_text() {
        let check = |json: &str, expected: &str| {
            let error = ConnectOptions::parse(json.as_bytes())
                .expect_err(json)
                .to_string();
            assert_eq!(
                error,
                format!("CONNECT options at byte {expected}"),
                "{json}"
            );
        };
        check("", "0: the JSON text ends too early");
        check("{", "1: the JSON text ends too early");
        check("hello", "1: not valid JSON");
        check(r#"{"echo":true} x"#, "15: not valid JSON");
        check("[]", "2: a value has the wrong type");
        check("7", "1: a value has the wrong type");
        check(r#"{"pass":12345}"#, "13: a value has the wrong type");
        check(r#"{"verbose":"secret"}"#, "19: a value has the wrong type");
        check(r#"{"protocol":1.0}"#, "15: a value has the wrong type");
        check(
            r#"{"protocol":99999999999999999999}"#,
            "32: a value has the wrong type",
        );
        check(r#"{"import":["a"]}"#, "10: a value has the wrong type");
    }

    #[test]
    fn deep_nesting_ends_in_an_answer() {
        let open = "[".repeat(100_000);
        for json in [
            format!("{{\"x\":{open}"),
            format!("{{\"import\":{{\"allow\":{open}"),
        ] {
            assert!(ConnectOptions::parse(json.as_bytes()).is_err());
        }
    }

    #[test]
    fn a_second_connect_keeps_what_it_does_not_name() {
        let first = ConnectOptions::parse(br#"{"verbose":false,"name":"a"}"#).expect("valid");
        let second = first
            .updated(br#"{"name":"b","headers":true}"#)
            .expect("valid");
        let mut expected = ConnectOptions::default();
        expected.verbose = false;
        expected.name = "b".into();
        expected.headers = true;
        assert_eq!(second, expected);
    }

    #[test]
    fn debug_output_hides_secrets() {
        let json = br#"{"jwt":"S1","sig":"S2","auth_token":"S3","pass":"S4","proxy_sig":"S5","user":"me"}"#;
        let text = format!("{:?}", ConnectOptions::parse(json).expect("valid"));
        assert_eq!(text.matches("[REDACTED]").count(), 5, "{text}");
        for secret in ["S1", "S2", "S3", "S4", "S5"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(text.contains(r#"user: "me""#), "{text}");
    }
}
