//! The grammar against nats-server 2.14.5: which texts it accepts, and the digest it prints.
//!
//! The table was made by running `nats-server -t` on every text; `None` is a refusal. Texts on
//! which we differ on purpose are in tables of their own, each with the reason.

use cognate_config::{MemorySource, load};

fn source(text: &str) -> MemorySource {
    MemorySource::new()
        .with_file("t.conf", text)
        .with_file("inc.conf", "port: 4321\nserver_name: included\n")
        .with_file("inc2.conf", "a: b\n")
        .with_env("PORT", "4333")
        .with_env("NAME", "\"4444\"")
        .with_env("LIST", "[a, b]")
        .with_env("MAP", "{ x: y }")
        .with_env("INNER", "$PORT")
        .with_env("EMPTY", "")
        .with_env("HASH", "\"# not a comment\"")
}

/// Loads a text; the digest, or the errors as text.
fn digest_of(text: &str) -> Result<String, String> {
    load("t.conf", &source(text))
        .map(|loaded| loaded.digest)
        .map_err(|error| error.to_string())
}

#[test]
fn texts_are_accepted_and_refused_as_by_nats_server_and_have_its_digest() {
    let mut wrong = Vec::new();
    for (text, expected) in FACTS {
        let found = digest_of(text);
        match (&found, expected) {
            (Ok(digest), Some(expected)) if digest == expected => {}
            (Err(_), None) => {}
            _ => wrong.push(format!(
                "{text:?}\n  expected {expected:?}\n  found {found:?}"
            )),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} texts differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// `nats-server -t` refuses these and we do not.
#[test]
fn more_lenient_than_nats_server() {
    for text in [
        // It takes the warning about an empty file as a failure of `-t`, but starts with the file.
        "# only a comment",
        // Arrays from the environment lose their type there.
        "server_tags: $LIST",
        // It knows only `$2a$` as the beginning of a bcrypt hash.
        "authorization { user: a, password: $2b$11$7xhl }",
        // Its numbers do not end at ']', and it wants commas before the end of the line.
        "x: [1,2]\nserver_name: $x\nserver_name: y",
        "server_tags: [a\n, b\n, c]",
    ] {
        let result = digest_of(text);
        assert!(result.is_ok(), "{text:?}: {result:?}");
    }
}

/// `nats-server -t` accepts these and we do not, because the server could not work as written.
#[test]
fn stricter_than_nats_server() {
    for (text, reason) in [
        ("tls { min_version: \"1.3\" }", "tls has no certificate"),
        (
            "http: 8222\nhttps: 8443",
            "can't specify both HTTP and HTTPs ports",
        ),
        ("https: 8443", "TLS cert and key required for HTTPS"),
        (
            "authorization { password: x }",
            "authorization has a password but no user",
        ),
        (
            "max_payload: 100MB",
            "max_payload (104857600) cannot be higher than max_pending",
        ),
        ("max_payload: -1", "max_payload value can not be negative"),
        (
            "lame_duck_grace_period: \"3m\"",
            "lame duck grace period (3m0s) should be strictly",
        ),
        ("no_auth_user: x", "users/nkeys are not defined"),
        (
            "no_auth_user: x\nauthorization {users: [{user: a}]}",
            "not present as user or nkey",
        ),
        ("port: 99999", "port 99999 is out of range"),
        ("server_name:", "the key \"server_name\" has no value"),
        ("log_size_limit: 16E", "integer '16E' is out of the range"),
        (
            "client_advertise: \"a:b:c\"",
            "invalid ClientAdvertise value",
        ),
    ] {
        match digest_of(text) {
            Err(error) => assert!(error.contains(reason), "{text:?}: {error}"),
            Ok(digest) => panic!("{text:?} was accepted: {digest}"),
        }
    }
}

#[rustfmt::skip]
const FACTS: &[(&str, Option<&str>)] = &[
    ("port: 4222", Some("sha256:797533ebd0dfba7d34a0f9337ecf147e442871f48ddfd07ed751575a5737267e")),
    ("port = 4222", Some("sha256:797533ebd0dfba7d34a0f9337ecf147e442871f48ddfd07ed751575a5737267e")),
    ("port 4222", Some("sha256:797533ebd0dfba7d34a0f9337ecf147e442871f48ddfd07ed751575a5737267e")),
    ("port:4222;debug:true", Some("sha256:8d697893eada17225f028a97ac0a0cfbd85dfb1fe0f606aa6f327a81bf911795")),
    (r#""port": 4222, 'debug' = yes"#, Some("sha256:8d697893eada17225f028a97ac0a0cfbd85dfb1fe0f606aa6f327a81bf911795")),
    (r#"{ "port": 4222, "debug": true }"#, Some("sha256:8d697893eada17225f028a97ac0a0cfbd85dfb1fe0f606aa6f327a81bf911795")),
    (r#"{"port":4222,"debug":true,"server_name":"x"}"#, Some("sha256:d6489201d980af2812cecc895b0b77556d439d108cfe494dd5239731b6dc539f")),
    ("PORT: 4222", Some("sha256:dde4b222a1cee88b54ca76f25166f02b4b07c1b718ee74d5263e70d5f83612e1")),
    ("port: 4222 # comment", Some("sha256:797533ebd0dfba7d34a0f9337ecf147e442871f48ddfd07ed751575a5737267e")),
    ("port: 4222 // comment", Some("sha256:797533ebd0dfba7d34a0f9337ecf147e442871f48ddfd07ed751575a5737267e")),
    (r#"port
4222"#, Some("sha256:797533ebd0dfba7d34a0f9337ecf147e442871f48ddfd07ed751575a5737267e")),
    ("port: 4222 }", Some("sha256:797533ebd0dfba7d34a0f9337ecf147e442871f48ddfd07ed751575a5737267e")),
    (r#"debug: on
trace: OFF
logtime: Yes"#, Some("sha256:0589b0a4c3c290650e27b50c4dfec3386f9831e5134c8ee331cc8d939174a9bd")),
    (r#"server_metadata { a: "x\ty\x41\"\\" }"#, Some("sha256:bd69cb35686045c1378618e68da0537e8d128d692be13852c8f42f4c33230bc4")),
    (r#"server_metadata { a: 'x\ty' }"#, Some("sha256:d92a57a806e5d04e2e8144f47e98d278d129af0e332417be3a5f722adbca42c6")),
    (r#"server_metadata { a: x\ty }"#, Some("sha256:7ba2223c7379c62ad1c97fe272653e89ca55b86c14e8163cda7295849e121e2a")),
    (r#"server_metadata { a: "<&>é\u" }"#, None),
    (r#"server_metadata { a: "<&>é  日本" }"#, Some("sha256:a2c035727c74cb2f4a8ecc8b87d1825d9c688f2bc909c0236aeaf35d36700338")),
    (r#"server_metadata { a: (
 line one
  ) line two
)
}"#, Some("sha256:f436bce9440423c0e4875972951fd44d8cb24df5d3d79a1b981483d8e378442f")),
    ("server_name: 1e345678-n1", None),
    ("server_name: 2m30s", None),
    ("server_name: 1k3", None),
    ("server_name: 1e-5", Some("sha256:305bffab4ae3335cb4fbf7f61d5ca0621ca52fb90f776d490a604eb218004df1")),
    ("server_name: 1kx-3", Some("sha256:68e1afba113644e797a4f55d1a7cd9c7fe5dacf1641e1ac72d5e99c3378ee62d")),
    ("max_payload: 1k", Some("sha256:87b40978d8143e0f7ca1683875c2702cd654f6459eb9d21accf3c71079a2bae3")),
    ("max_payload: 1KB", Some("sha256:69d37599f3dcc020f444a403ec390fbe5dbf935801478cd99fc4370082d38df4")),
    ("max_payload: 1Ki", Some("sha256:69d37599f3dcc020f444a403ec390fbe5dbf935801478cd99fc4370082d38df4")),
    ("max_payload: 1kib", Some("sha256:69d37599f3dcc020f444a403ec390fbe5dbf935801478cd99fc4370082d38df4")),
    ("max_payload: 1MB", Some("sha256:805e8fcac4b17c72405e5f4bef5d73b2dd137a8b3f920d23191ff59feb44d80e")),
    ("max_pending: 1g", Some("sha256:8869daf5ee7c3acbc682db58a9e1b85b1d9c49864feb3e0b9bba819800e8982c")),
    ("max_pending: 2Gb", Some("sha256:fa6303e89ef0f96e65e42a9fdda7444bc1aafa78a53b3d92e5d6b8da2e3e0039")),
    ("max_pending: 2T", Some("sha256:98ce851c1110647f12a37466e9f4c2646f82c6142e4129d69a81519eb5382af0")),
    ("log_size_limit: 1p", Some("sha256:1534bd5e7770cdc4a8c826f543ac2b59ed8aecd3afbfd7058142dfaf3ed0ea00")),
    ("log_size_limit: 1Eb", Some("sha256:5fd36cb7f2017b2850e94e74fe72dec9aa0f843e06e40cdf0628f12d30277d63")),
    ("log_size_limit: 9223372036854775807", Some("sha256:e4fa9914cc103f75b149e981e923f045cf5a55a04a91ccceb537d43e001c9afb")),
    ("log_size_limit: 9223372036854775808", None),
    ("log_size_limit: -5k", Some("sha256:7eb43b02bb43f8e3af3a6bace87b686fbd360df37b5a7e78eb6442b018247ea4")),
    ("log_size_limit: 1kbi", None),
    ("server_name: 2ms", Some("sha256:8cf8059b0131a139664aad8c9b6014d17223aa6dac9ab523a5687c4b49558130")),
    ("server_name: 3xyz", Some("sha256:d026b0016f1c8d1c2e99e5a09891f6bc4a052312014175252e1fe612d1af9bc8")),
    ("server_name: 1.2.3", Some("sha256:d1b6fa8f8fd3b250f0855b5923e60f721cadfdf11911cfe4bc98f43894b7190d")),
    ("server_name: 12-ab", None),
    ("server_name: a.b.c", Some("sha256:671890922a97de8cc93d405379e7efc7225b37662fb29b5206f9de2f4b34faa8")),
    (r#"server_name: "a b""#, None),
    ("server_name: a b", None),
    ("listen: 127.0.0.1:4333", Some("sha256:dcaf64ec52f634f92b7f5a95c9531d3c726dd7106869b401fad9da226461fb56")),
    ("listen: 0.0.0.0:-1", Some("sha256:3001501c33808592496da770e7283f8a75b9ebc0177576779590527cc54a3d2c")),
    ("listen: localhost:4333", Some("sha256:d61f9cd25c2fee4340a72395e02944198605487b00dad18a6f0bd43c1ede4efc")),
    (r#"listen: "[::1]:4222""#, Some("sha256:e5815a096f70748e883e6d6737633662522a91b74df766801de830deba1b3ae3")),
    ("listen: 4333", Some("sha256:5db143167d332f8f2ce2d927529ec772c220a53c3799d2fa938aa93e9d62e00d")),
    (r#"listen: "4333""#, None),
    (r#"listen: "a:b:c""#, None),
    (r#"listen: "localhost:x""#, None),
    ("http: 8222", Some("sha256:000d6d4df9042dde73385c53777d3042b4279245baa965311801954f906b4e43")),
    (r#"http: "127.0.0.1:8222""#, Some("sha256:f20cbf1613c49266193848fb0eae8010a239f70c03099d5f8c8425a0c9653ce3")),
    ("monitor_port: 8222", Some("sha256:6198e1d4b6fd41745fba41483e337f79bd1b49be30fab4e2b17ec58835cf95d7")),
    ("http_port: -1", Some("sha256:4cb71229d1facf4ad594a55d9661e160a9c4ea018180c5720a0ae1ed7076cd1a")),
    (r#"server_tags: [a, b, "c d"]"#, Some("sha256:bfe7704f104c45f95868e3a54da0ed60a51a7e9924e5de481b5c4c1db7d5cf8c")),
    (r#"server_tags: [a
b
c]"#, Some("sha256:6a740f563c270b0e0256b4efb83fe8f46ca5bc319a2213f41a4e5bbfad8c8541")),
    (r#"server_tags: [a, # one
 b // two
]"#, Some("sha256:e09a48bacda8a05513e0da3231f1cef15d6c5fc6831f9a9b17c803c10209238c")),
    ("server_tags: [a,, b]", None),
    ("server_tags: [,a]", None),
    ("server_tags: a", Some("sha256:1b12601fd728f34e6b6f340b0d421669221f1d6c151eccfd76e383dfe5c1318d")),
    ("server_tags: []", Some("sha256:6347faf9d6691d35437cc5ce90e411751bdf4570bc0a89d1ab0d1c3d1936b0e2")),
    ("server_tags: [1, 2]", None),
    (r#"x: 4333
port: $x"#, Some("sha256:398a96ed6bcd90ca2e2346912f2cacfa5abe0a85050b9e5d7f8028c7b9e41e9f")),
    (r#"x: 4333
server_metadata { y: z
 a: $y }"#, None),
    (r#"server_metadata { a: b
 c: $nope_not_set_anywhere }"#, None),
    ("port: $PORT", Some("sha256:5942f6739f1572892ba80b954eee212713f172258629e16936dfeeae8e2eb80d")),
    ("port: $INNER", Some("sha256:5942f6739f1572892ba80b954eee212713f172258629e16936dfeeae8e2eb80d")),
    ("server_name: $NAME", Some("sha256:c3603f204544656171d7353dbea174a51d82d5ae2bbe45556305ac3404558783")),
    ("server_name: $EMPTY", Some("sha256:2522a4a15b760e48fb9eb2fe96390ec5d4d7b66673d7fc8fede40f993c470da2")),
    ("server_metadata: $MAP", Some("sha256:84157fd308a8c914616a13328e75782efb34cd795c9f706f801a45556a9c18d4")),
    ("server_name: $HASH", None),
    (r#"x: $PORT
port: $x"#, Some("sha256:398a96ed6bcd90ca2e2346912f2cacfa5abe0a85050b9e5d7f8028c7b9e41e9f")),
    ("authorization { user: a, password: $2a$11$7xhl1jk7cEXuoJXrKFqbZeKjKOyFyYFyMVkqtdYv1v8iwBkRYrJaO }", Some("sha256:1bbb2e617a4aa9f31526e3af168c7d1bc6ce575a0d281ae48f6841c46ba4114e")),
    (r#"authorization { user: a, password: "$2b$11$7xhl1jk7cEXuoJXrKFqbZeKjKOyFyYFyMVkqtdYv1v8iwBkRYrJaO" }"#, Some("sha256:d8d8bceca4468beeec416d32f81a64243a524ee120189ea328e2d9e70bc65b46")),
    ("authorization: { token: secret, timeout: 0.5 }", Some("sha256:fdb3e8c970741a49dc8777621f34dc6ded963fb9489b6ea3eca1ce40f320d3de")),
    (r#"authorization: { token: secret, timeout: "500ms" }"#, Some("sha256:4446207dc43cc00fc0326bafee8a6bc675eacbb3c7f5bbd5ae0f6c0eb5b17e8b")),
    ("authorization: { token: secret, timeout: 5 }", Some("sha256:024e1be40cbf1cd0634c4d4c9edf6fbca0b6112aaa194cb87026858d797b0569")),
    ("authorization { user: a, password: b, token: c }", None),
    ("authorization { user: a, password: b, users: [] }", None),
    ("authorization { users: [ {user: a, password: b}, {user: a, password: c} ] }", None),
    ("authorization { users: [ {password: b} ] }", None),
    ("authorization { users: [ {nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4} ] }", Some("sha256:492ceca97dc8e5da0dc8209bd3f13fa8fcadc641d87badfd76e2576bf9c4f946")),
    ("authorization { users: [ {nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF5} ] }", None),
    ("authorization { users: [ {nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4, user: x} ] }", None),
    (r#"authorization { users: [ {user: a, permissions: {publish: "a..b"}} ] }"#, None),
    (r#"authorization { users: [ {user: a, permissions: {publish: "a b"}} ] }"#, None),
    (r#"authorization { users: [ {user: a, permissions: {subscribe: "a b"}} ] }"#, Some("sha256:2526c931d8d3fe3712ac0665554951dad2fed4da737d7f73ba036357d14f661d")),
    (r#"authorization { users: [ {user: a, permissions: {subscribe: ["a b c"]}} ] }"#, None),
    (r#"authorization { users: [ {user: a, permissions: {subscribe: {allow: "x.>", deny: ["x.y", "z q.*"]}}} ] }"#, Some("sha256:6f5310608f3b97775947577c9c567a29812e5589dfeb4f63a17af549ea94b36d")),
    ("authorization { users: [ {user: a, permissions: {allow_responses: true}} ] }", Some("sha256:c7ff043ce79a326f9fdd8e11c8e4929a9af335539366c007ca10a84ea2217391")),
    (r#"authorization { users: [ {user: a, permissions: {allow_responses: {max: -1, expires: "-1s"}}} ] }"#, Some("sha256:a1788c523094d62dde5cda98a9c5357e1b33fa579dc115323504c0e52e421dd0")),
    ("authorization { users: [ {user: a, permissions: {allow_responses: 5}} ] }", None),
    ("authorization { users: [ {user: a, permissions: {foo: 5}} ] }", None),
    (r#"authorization { users: [ {user: a, allowed_connection_types: ["standard", WEBSOCKET]} ] }"#, Some("sha256:3fd73fa951c52a2844bf63f226f59c9101d22c9133399bd4b7d8c61ae25b6804")),
    (r#"authorization { users: [ {user: a, allowed_connection_types: ["nope"]} ] }"#, None),
    ("authorization { users: [ {user: a, foo: 1} ] }", None),
    ("authorization { foo: 1 }", None),
    ("authorization { token: 123 }", None),
    ("mappings { foo: bar }", Some("sha256:7eb01c52b3414c466d708d4fb7302b1bdaf5b6d9ebec42ceac805a665a2eeee1")),
    (r#"mappings { "foo.*": "bar.{{partition(3,1)}}.$1" }"#, Some("sha256:a5b4bb22f944f234d418765fcad2a244d4254ee8ee83f722d230ec944f1e8c22")),
    (r#"mappings { "foo.*": "bar.$2" }"#, None),
    ("mappings { foo: [ {destination: a, weight: 50%}, {destination: b, weight: 50} ] }", Some("sha256:9295420bd4257b9f6ea698d74ad4e1ce9c4f7ed9a3145257b42f32cc4a5d034f")),
    ("mappings { foo: [ {destination: a, weight: 60%}, {destination: b, weight: 50} ] }", None),
    ("mappings { foo: [ {destination: a, weight: 10}, {destination: a, weight: 20} ] }", None),
    (r#"mappings { foo: {destination: a, weight: "20%", cluster: c} }"#, Some("sha256:e0f043041508afdf7ae44fcb260c62b50cdbbbf11ecfd48ede137b0846e0a43a")),
    ("mappings { foo: {destination: a} }", None),
    ("mappings { foo: {destination: a, weight: 101} }", None),
    (r#"mappings { "foo..bar": baz }"#, None),
    ("mappings { foo: {dest: a, weight: 1, x: 2} }", None),
    (r#"ping_interval: "2m""#, Some("sha256:e69614af2eb8cbec269dd07e00ffc086afbc68befc755ad8ca4c29bf2abf23ea")),
    (r#"ping_interval: "2 minutes""#, None),
    ("ping_interval: 2m0", None),
    ("ping_interval: true", None),
    (r#"write_deadline: "5s""#, Some("sha256:b6322e09ae50f1d8066f1e5ab6e226da9c4d12156d3556a7d61ae3e2df2b43ac")),
    ("write_timeout: retry", Some("sha256:9547bc5c6caddf3dd6ffc62cd9963b9f82dffe4646a9c2853549baa46f24e932")),
    ("write_timeout: maybe", None),
    (r#"lame_duck_duration: "30s""#, Some("sha256:accc3d1c205eeaf53c42d79dc3af61424bdf2929dc065eba1d065418fd8417c8")),
    (r#"lame_duck_duration: "29s""#, None),
    ("lame_duck_duration: 60", None),
    (r#"lame_duck_grace_period: "-1s""#, None),
    ("max_sub_tokens: 255", Some("sha256:6429c049f354307aca4c02e5d4cea0bd64f9dbdfa12d5eb9ccbbfc4b8bc698f9")),
    ("max_sub_tokens: 256", None),
    ("max_sub_tokens: 0", None),
    ("max_payload: 2147483648", None),
    ("max_control_line: 2147483648", None),
    ("max_connections: 0", Some("sha256:f3881ae6c392caf66ba646edbb67aba2a54c9ccf7f04e71793e541246bff019c")),
    ("max_connections: -1", Some("sha256:1985dc38358ccf4d903e7a9854f0279474ca451c65b08218580a3dec06ad3fe5")),
    (r#"port: "4222""#, None),
    ("port: 4222.5", None),
    (r#"debug: "true""#, None),
    ("debug: 1", None),
    ("server_name: 5", None),
    ("server_name: true", None),
    ("server_metadata: [a]", None),
    ("server_metadata { a: 1 }", None),
    ("feature_flags { x: true }", Some("sha256:27208fe9aead3c3cebf4c75d4de45e7573bb1a9d29410dbb8e66a4fab752b5e1")),
    ("feature_flags { x: 1 }", None),
    (r#"server_name: "unterminated"#, None),
    ("server_tags: [a, b", None),
    ("server_metadata { a: b", None),
    ("port: 4222 debug: true", None),
    ("port: = 4222", None),
    ("= 4222", None),
    ("server_metadata { : x }", None),
    (r#"server_name: "bad \q escape""#, None),
    (r#"server_name: "\x4""#, None),
    ("x.y: 1", None),
    (r#"x: 2026-01-02T15:04:05Z
server_tags: []
port: 4222
y: $x"#, None),
    (r#"port: 4222
x: 2026-13-02T15:04:05Z"#, None),
    (r#"include "missing.conf""#, None),
    ("include 'inc.conf'", Some("sha256:7a28114cc0b0ec1ff8e1bb9b788ce811495ddb49e03926ec70e14b4c8c6e06c1")),
    ("include inc.conf", Some("sha256:7a28114cc0b0ec1ff8e1bb9b788ce811495ddb49e03926ec70e14b4c8c6e06c1")),
    (r#"server_metadata { include inc2.conf
 c: d }"#, Some("sha256:c1a160cede2a5d40587d47b5b19efb550f26b11f97e35043b93b9b7627311562")),
    (r#"include "./inc.conf"; debug: true"#, Some("sha256:207bd1c44cd9ea604c89371f2407b9ba092a55653fdeefd05e3948f884576625")),
    ("include 5", None),
    ("include = inc.conf", None),
    ("tls { cert_file: nope.pem, key_file: nope.pem }", None),
    (r#"tls { verify: "yes" }"#, None),
    ("tls { min_version: 1.3 }", None),
    (r#"tls { min_version: "1.1" }"#, None),
    ("tls { cipher_suites: [] }", None),
    ("tls { cipher_suites: [NOPE] }", None),
    ("tls { curve_preferences: [X25519, P256] }", None),
    (r#"tls { pinned_certs: ["abc"] }"#, None),
    ("tls { handshake_first: maybe }", None),
    ("tls { timeout: true }", None),
    ("tls { foo: 1 }", None),
    ("tls { verify_cert_and_check_known_urls: true }", None),
    ("tls { certs: [ {cert_file: x} ] }", None),
];
