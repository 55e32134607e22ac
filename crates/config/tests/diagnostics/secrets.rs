//! No finding shows a password, a token or a seed.

use super::{check, said};

#[test]
fn an_unknown_variable_and_no_secret_is_shown() {
    check(
        r#"password: $NOPE
"#,
        r#"
nats.conf:1:11: variable reference for 'NOPE' on line 1 can not be found
  |
1 | password: *****
  |           ^^^^^
  = expected a key defined before this line, or an environment variable
  = hint: put text that begins with '$' in quotes
"#,
    );
}

#[test]
fn a_token_that_looks_like_a_number_is_not_shown() {
    check(
        r#"authorization { token: 12345 }
"#,
        r#"
nats.conf:1:24: "token" is an integer
  |
1 | authorization { token: ***** }
  |                        ^^^^^
  = expected a string
  = hint: text that looks like a number needs quotes
"#,
    );
}

#[test]
fn a_secret_beside_a_mistake_is_masked_to_its_end() {
    for value in [
        r#""s3\"cr3t""#,
        r#""\\\"s3cr3t""#,
        "(s3 cr3t)",
        "[s3, cr3t]",
    ] {
        let said = said(&format!("authorization {{ pass: {value}, tmeout: 1 }}\n"));
        assert!(!said.is_empty());
        assert!(!said.contains("cr3t"), "{said}");
    }
}

#[test]
fn a_seed_in_place_of_a_key_is_not_shown() {
    check(
        r#"authorization { users: [ {nkey: SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY} ] }
"#,
        r#"
nats.conf:1:33: Not a valid public nkey for a user
  |
1 | authorization { users: [ {nkey: **********************************************************} ] }
  |                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = expected 56 characters beginning with U
  = hint: this looks like a seed, which stays with the client
"#,
    );
}

/// The lines behind the first of a text in quotes or in a block show nothing of it, and what
/// follows it on its last line is shown as ever.
#[test]
fn a_secret_over_several_lines_is_masked_on_each_of_them() {
    check(
        "authorization {\n  user: a, password: \"s3cr3t-1\n  s3cr3t-2\n  s3cr3t-3\", tmeout: 1\n}\n",
        r#"
nats.conf:4:14: unknown field "tmeout"
  |
4 | ***********, tmeout: 1
  |              ^^^^^^
  = hint: did you mean "timeout"?
"#,
    );
    for text in [
        // The finding is within the secret.
        "authorization { password: \"cr3t\n  cr3t\\q cr3t\n cr3t\", user: a }",
        "authorization { pass: 'cr3t\n \"cr3t\\\n cr3t', tmeout: 1 }",
        "authorization { token: (\ncr3t\ncr3t tmeout: 1\n)\ntmeout: 1 }",
        "authorization { password: \"cr3t\ncr3t tmeout\n cr3t",
        // Quotes within words and in comments begin no text.
        "server_name: it's\n# it's\n// \"\nauthorization { password: \"cr3t\ncr3t\", tmeout: 1 }",
    ] {
        let said = said(text);
        assert!(!said.is_empty(), "{text}");
        assert!(!said.contains("cr3t"), "{text}:\n{said}");
    }
}

#[test]
fn credentials_within_a_url_are_not_shown() {
    check(
        r#"remote_syslog: "udp://u:s3cr3t@h/a", prot: 1
"#,
        r#"
nats.conf:1:38: unknown field "prot"
  |
1 | remote_syslog: "udp://********@h/a", prot: 1
  |                                      ^^^^
  = hint: did you mean "port"?
"#,
    );
}

/// A name that is repeated in a message may be a seed that was pasted in its place.
#[test]
fn messages_repeat_no_seeds() {
    const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    for text in [
        format!("authorization {{ users: [{{user: a}}] }}\nno_auth_user: {SEED}"),
        format!("accounts {{ A {{ imports: [{{stream {{account: {SEED}, subject: a}}}}] }} }}"),
        format!("{SEED}: 1"),
        format!("default_sentinel: x.{SEED}.y\nprot: 1"),
    ] {
        let said = said(&text);
        assert!(!said.is_empty() && !said.contains(&SEED[..20]), "{said}");
    }
}
