//! INFO: what a server tells a client about itself.
//!
//! The fields of client connections in the order of nats-server 2.14.5, with
//! its rules of what is left out when empty, and one field of our own
//! (`cognate_version`), which clients ignore. Called by `session` at connect
//! and whenever the topology changes. Absent: the fields of routes, gateways
//! and leaf nodes.

use std::ops::Not;

use serde::Serialize;

/// The fields of INFO; empty texts and lists, zero and `false` are left out
/// where the protocol says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServerInfo {
    /// The server's public nkey.
    pub server_id: String,
    /// The server's name, by default its id.
    pub server_name: String,
    /// The compatible nats-server version, by which clients choose features.
    pub version: String,
    /// The protocol's version: 1 for clients.
    pub proto: i32,
    /// Commit of the build; left out when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub git_commit: String,
    /// The runtime's version.
    pub go: String,
    /// The advertised or the listening host.
    pub host: String,
    /// The advertised or the listening port.
    pub port: u16,
    /// Whether headers are supported.
    pub headers: bool,
    /// Whether CONNECT needs credentials.
    #[serde(skip_serializing_if = "Not::not")]
    pub auth_required: bool,
    /// Whether the connection must be upgraded to TLS.
    #[serde(skip_serializing_if = "Not::not")]
    pub tls_required: bool,
    /// Whether client certificates are checked.
    #[serde(skip_serializing_if = "Not::not")]
    pub tls_verify: bool,
    /// Whether the connection may be upgraded to TLS.
    #[serde(skip_serializing_if = "Not::not")]
    pub tls_available: bool,
    /// This connection's limit of header block plus body in bytes; -1 is none.
    pub max_payload: i64,
    /// Whether JetStream is on.
    #[serde(skip_serializing_if = "Not::not")]
    pub jetstream: bool,
    /// Mostly for routes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ip: String,
    /// The connection's id (CID); left out when 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub client_id: u64,
    /// The client's address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_ip: String,
    /// The challenge for nkeys.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub nonce: String,
    /// The cluster's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// Whether the cluster's name was made up.
    #[serde(skip_serializing_if = "Not::not")]
    pub cluster_dynamic: bool,
    /// The JetStream domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// `host:port` of servers a client can connect to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connect_urls: Vec<String>,
    /// Lame duck mode: the client should move on.
    #[serde(skip_serializing_if = "Not::not")]
    pub ldm: bool,
    /// Whether this INFO answers CONNECT.
    #[serde(skip_serializing_if = "Not::not")]
    pub connect_info: bool,
    /// The account the connection is bound to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remote_account: String,
    /// Whether that account is the system account.
    #[serde(skip_serializing_if = "Not::not")]
    pub acc_is_sys: bool,
    /// The JetStream API's level; left out when 0.
    #[serde(skip_serializing_if = "is_zero_level")]
    pub api_lvl: i32,
    /// The server's public curve key.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub xkey: String,
    /// Our own version, beside the compatible one in `version`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cognate_version: String,
}

// Serde hands predicates a reference.
fn is_zero(value: &u64) -> bool {
    *value == 0
}

fn is_zero_level(value: &i32) -> bool {
    *value == 0
}

impl ServerInfo {
    /// Appends the frame `INFO {json}` with its CR LF.
    pub fn write_info(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"INFO ");
        serde_json::to_writer(&mut *out, self)
            .expect("texts, numbers and flags serialise, and a Vec takes every write");
        // nats-server writes a blank before CR LF; so do we, byte for byte.
        out.extend_from_slice(b" \r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::ServerInfo;

    #[test]
    fn empty_fields_are_left_out() {
        let mut out = Vec::new();
        ServerInfo::default().write_info(&mut out);
        let expected = concat!(
            r#"INFO {"server_id":"","server_name":"","version":"","proto":0,"go":"","host":"","#,
            r#""port":0,"headers":false,"max_payload":0} "#,
            "\r\n"
        );
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn every_field_has_its_place() {
        let info = ServerInfo {
            server_id: "N1".into(),
            server_name: "n".into(),
            version: "2.14.5".into(),
            proto: 1,
            git_commit: "c".into(),
            go: "r".into(),
            host: "::1".into(),
            port: 4222,
            headers: true,
            auth_required: true,
            tls_required: true,
            tls_verify: true,
            tls_available: true,
            max_payload: 1_048_576,
            jetstream: true,
            ip: "i".into(),
            client_id: 5,
            client_ip: "127.0.0.1".into(),
            nonce: "o".into(),
            cluster: "l".into(),
            cluster_dynamic: true,
            domain: "d".into(),
            connect_urls: vec!["a:1".into(), "b:2".into()],
            ldm: true,
            connect_info: true,
            remote_account: "$G".into(),
            acc_is_sys: true,
            api_lvl: 4,
            xkey: "X".into(),
            cognate_version: "0.1.0".into(),
        };
        let expected = concat!(
            r#"INFO {"server_id":"N1","server_name":"n","version":"2.14.5","proto":1,"#,
            r#""git_commit":"c","go":"r","host":"::1","port":4222,"headers":true,"#,
            r#""auth_required":true,"tls_required":true,"tls_verify":true,"tls_available":true,"#,
            r#""max_payload":1048576,"jetstream":true,"ip":"i","client_id":5,"#,
            r#""client_ip":"127.0.0.1","nonce":"o","cluster":"l","cluster_dynamic":true,"#,
            r#""domain":"d","connect_urls":["a:1","b:2"],"ldm":true,"connect_info":true,"#,
            r#""remote_account":"$G","acc_is_sys":true,"api_lvl":4,"xkey":"X","#,
            r#""cognate_version":"0.1.0"} "#,
            "\r\n"
        );
        let mut out = b"before".to_vec();
        info.write_info(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), format!("before{expected}"));
    }
}
