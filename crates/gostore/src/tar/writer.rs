//! Writing an archive: every file is there as a whole when it is put in, so nothing is kept here.

use super::{BLOCK, field, header_sum};

/// Puts files into an archive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    /// What all files say they were changed at last, in seconds since 1970.
    pub(crate) modified: u64,
}

impl Writer {
    /// Appends a file.
    pub(crate) fn put(&self, name: &str, bytes: &[u8], out: &mut Vec<u8>) {
        self.begin(name, bytes.len(), out);
        out.extend_from_slice(bytes);
        pad(bytes.len(), out);
    }

    /// Appends what comes before a file's contents.
    fn begin(&self, name: &str, size: usize, out: &mut Vec<u8>) {
        if name.len() > field::NAME.1 {
            let records = path_record(name);
            self.header("PaxHeaders.0/long", records.len(), b'x', out);
            out.extend_from_slice(records.as_bytes());
            pad(records.len(), out);
        }
        let end = name.floor_char_boundary(field::NAME.1);
        self.header(&name[..end], size, b'0', out);
    }

    fn header(&self, name: &str, size: usize, kind: u8, out: &mut Vec<u8>) {
        let mut header = [0; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(field::NAME.0, name.as_bytes());
        put(100, b"0000600\0");
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        put(field::SIZE.0, format!("{size:011o}\0").as_bytes());
        // Twelve octal digits less one reach to the year 2242.
        put(
            136,
            format!("{:011o}\0", self.modified.min(0o77777777777)).as_bytes(),
        );
        put(field::KIND, &[kind]);
        put(field::MAGIC.0, b"ustar\x0000");
        put(265, b"nats");
        put(297, b"nats");
        let sum = header_sum(&header);
        header[field::SUM.0..field::SUM.0 + 8].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend_from_slice(&header);
    }

    /// Appends the archive's end.
    pub(crate) fn finish(&self, out: &mut Vec<u8>) {
        out.resize(out.len() + 2 * BLOCK, 0);
    }
}

fn pad(len: usize, out: &mut Vec<u8>) {
    out.resize(out.len() + (len.next_multiple_of(BLOCK) - len), 0);
}

/// The record of a long name, which begins with its own length.
fn path_record(name: &str) -> String {
    let rest = format!(" path={name}\n");
    let mut len = rest.len();
    loop {
        let line = format!("{len}{rest}");
        if line.len() == len {
            return line;
        }
        len = line.len();
    }
}
