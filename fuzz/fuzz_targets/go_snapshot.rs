//! Snapshots of streams, as a client sends them to be restored.
//!
//! Checks: never panics; the same bytes in other pieces give the same, or the same refusal; what is
//! handed on is in order (first what the stream is, then messages that ascend, then consumers), and
//! no consumer's name could leave a directory. Half of the inputs are files that are put into a
//! snapshot whose sums are right, so that what lies behind them is reached.
#![no_main]

use cognate_fuzz::GoSink;
use cognate_gostore::SnapshotReader;
use cognate_gostore::decoders::snapshot_of;
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 8] = [
    "meta.inf",
    "msgs/1.blk",
    "msgs/2.blk",
    "msgs/index.db",
    "obs/C/meta.inf",
    "obs/C/o.dat",
    "obs/../../x/meta.inf",
    "errors.txt",
];

fuzz_target!(|data: &[u8]| {
    let Some((&mode, data)) = data.split_first() else {
        return;
    };
    if mode % 2 == 0 {
        return check(data);
    }
    let meta = br#"{"name":"S","subjects":["s"],"Created":"2024-01-01T00:00:00Z"}"#;
    let mut files = vec![("meta.inf", &meta[..])];
    // Files are cut by a byte that names the next one.
    for part in data.split(|byte| *byte == 0xff) {
        if let Some((&which, bytes)) = part.split_first() {
            let name = NAMES[usize::from(which) % NAMES.len()];
            files.push((name, bytes));
        }
    }
    check(&snapshot_of(&files[usize::from(mode & 2 != 0)..]));
});

fn check(bytes: &[u8]) {
    let whole = read(bytes, bytes.len().max(1));
    let pieces = read(bytes, 1 + bytes.len() / 7);
    assert_eq!(whole.is_ok(), pieces.is_ok());
    if let (Ok(whole), Ok(pieces)) = (whole, pieces) {
        assert_eq!(whole, pieces);
    }
}

fn read(bytes: &[u8], piece: usize) -> Result<GoSink, String> {
    let mut sink = GoSink::default();
    let mut reader = SnapshotReader::new("S");
    for piece in bytes.chunks(piece) {
        let pushed = reader.push(piece, &mut sink);
        pushed.map_err(|error| error.to_string())?;
    }
    let report = reader
        .finish(&mut sink)
        .map_err(|error| error.to_string())?;
    sink.check(&report);
    Ok(sink)
}
