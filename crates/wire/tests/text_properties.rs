//! Properties of the readers of text: no input panics, no secret is shown.

use cognate_wire::headers::{self, HeaderBlock};
use cognate_wire::{ConnectOptions, redact_connect};
use proptest::prelude::*;

const SECRET: &str = "s3cr3t";

/// JSON with blanks in odd places and a secret under some key.
fn document() -> impl Strategy<Value = String> {
    let blank = || prop_oneof![4 => Just(""), 1 => Just(" "), 1 => Just("\t\r ")];
    let key = prop_oneof![
        Just("pass"),
        Just("PASS"),
        Just("password"),
        Just("auth_token"),
        Just("jwt"),
        Just("sig"),
        Just("proxy_sig"),
        Just("p\\u0061ss"),
    ];
    let value = prop_oneof![
        Just(format!("\"{SECRET}\"")),
        Just(format!("\"\\\"}},{SECRET}\\\\\"")),
        Just(format!("[{{\"x\":\"]{SECRET}\"}},\"{SECRET}\"]")),
        Just(format!("{{\"{SECRET}\":\"}}{SECRET}\"}}")),
    ];
    let other = prop_oneof![
        Just("\"name\":\"pass\""),
        Just("\"n\":-1.5e3"),
        Just("\"ü\":[null]")
    ];
    (blank(), key, blank(), value, blank(), other, any::<bool>()).prop_map(
        |(before, key, middle, value, after, other, first)| {
            let secret = format!("{before}\"{key}\"{middle}:{after}{value}{after}");
            match first {
                true => format!("{{{secret},{other}}}"),
                false => format!("{{{other},{secret}}}"),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn redaction_leaves_valid_json_without_the_secret(json in document()) {
        let shown = redact_connect(json.as_bytes());
        prop_assert!(!shown.contains(SECRET), "{}", shown);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&shown).is_ok(), "{}", shown);
    }

    #[test]
    fn broken_documents_show_no_secret(json in document(), cut in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = json.into_bytes();
        let at = cut.index(bytes.len());
        bytes[at] = byte;
        let whole = ConnectOptions::parse(&bytes);
        bytes.truncate(at + 1);
        let cut = ConnectOptions::parse(&bytes);
        for result in [whole, cut] {
            let shown = format!("{result:?}");
            prop_assert!(!shown.contains(SECRET), "{}", shown);
        }
        prop_assert!(!redact_connect(&bytes).contains(SECRET));
    }

    #[test]
    fn header_blocks_come_back_as_written(
        code in 100u16..1000,
        description in "[!-~]{0,8}",
        fields in prop::collection::vec(("[!-9;-~]{1,8}", "[!-~]{0,8}"), 0..5),
    ) {
        let mut block = Vec::new();
        let pairs: Vec<(&str, &[u8])> = fields.iter().map(|(k, v)| (k.as_str(), v.as_bytes())).collect();
        headers::write_status(&mut block, code, &description, &pairs);
        let parsed = HeaderBlock::parse(&block).expect("a block of ours");
        let status = parsed.status().expect("a status of ours");
        let code = code.to_string();
        prop_assert_eq!(status.code, code.as_bytes());
        prop_assert_eq!(status.description, description.as_bytes());
        let written: Vec<_> = pairs.iter().map(|(k, v)| (k.as_bytes(), *v)).collect();
        prop_assert_eq!(parsed.iter().collect::<Vec<_>>(), written);
    }

    #[test]
    fn header_blocks_of_noise_end(noise in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b':'), any::<u8>()], 0..60)) {
        let block = [b"NATS/1.0\r\n", noise.as_slice()].concat();
        let parsed = HeaderBlock::parse(&block).expect("the first line is right");
        prop_assert!(parsed.iter().count() <= noise.len());
        prop_assert!(HeaderBlock::parse(&noise).is_none());
    }
}
