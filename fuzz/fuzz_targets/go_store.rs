//! Files of a Go server's store: a block, an index, a consumer's state and its configuration, each by
//! itself, and a directory made of parts of the input.
//!
//! Checks: never panics; a state that was read and written reads back the same; of a directory,
//! messages ascend, the next sequence is above them, and none is both taken and lost.
#![no_main]

use cognate_fuzz::GoSink;
use cognate_gostore::{
    ConsumerMeta, ConsumerState, Files, Keys, StreamMeta, decoders, read_stream,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    decoders::block(data);
    decoders::index(data);
    decoders::tar(data);
    let _ = (StreamMeta::read(data), ConsumerMeta::read(data));
    if let Some(state) = ConsumerState::read(data) {
        let again = ConsumerState::read(&state.write()).expect("what was written");
        assert_eq!(again.delivered, state.delivered);
        assert_eq!(again.floor, state.floor);
    }
    let keys = Keys {
        account: "$G",
        configured: &["key"],
    };
    let mut sink = GoSink::default();
    let report = read_stream(&Parts(data), "S", keys, &mut sink).expect("it takes all");
    sink.check(&report);
});

/// A directory whose files are parts of the input.
struct Parts<'a>(&'a [u8]);

impl Parts<'_> {
    fn part(&self, at: usize, of: usize) -> Vec<u8> {
        let len = self.0.len();
        self.0[len * at / of..len * (at + 1) / of].to_vec()
    }
}

impl Files for Parts<'_> {
    fn names(&self, directory: &str) -> Result<Vec<String>, String> {
        let names: &[&str] = match directory {
            "msgs" => &["1.blk", "2.blk", "2.key", "index.db"],
            "obs" => &["C"],
            _ => &[],
        };
        Ok(names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn read(&self, path: &str, _: usize) -> Result<Option<Vec<u8>>, String> {
        Ok(match path {
            "meta.inf" => Some(br#"{"name":"S","subjects":["s"]}"#.to_vec()),
            "msgs/1.blk" => Some(self.part(0, 1)),
            "msgs/2.blk" => Some([b"cmp\x01\x05", &self.part(0, 2)[..]].concat()),
            "msgs/2.key" if self.0.len() % 3 == 0 => Some(self.part(1, 2)),
            "msgs/index.db" => Some(self.part(1, 2)),
            "obs/C/meta.inf" => Some(br#"{"name":"C"}"#.to_vec()),
            "obs/C/o.dat" => Some(self.part(0, 1)),
            _ => None,
        })
    }
}
