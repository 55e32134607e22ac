//! Frames gathered per destination while one read is worked through.
//!
//! A publisher's read usually holds many messages for few destinations. Their frames are appended
//! here and leave with one hand-off per destination at the end of the read (or when a stage is
//! full). Small frames are copied; the tail of a large one is only noted by its place in the read
//! buffer and written from there, so a large payload is copied by nobody but the kernel.
//!
//! ```text
//! bytes  | MSG a 1 5\r\nhello\r\n | MSG b 2 |               | MSG a 1 2\r\nhi\r\n |
//! cuts                                      ^ input[120..33000]
//! ```
//!
//! Invariants: cuts are in ascending order of `at`; the input of a pass outlives its stages
//! (`flush` is given the input again and runs before the read buffer changes). The table from a
//! connection's slot to its stage is valid within one pass, known by its epoch.

use std::io::{self, IoSlice};
use std::sync::Arc;

use super::backlog::{Backlog, Blocks};
use super::connection::Connection;
use super::outbound::Delivery;
use super::queue::Totals;
use super::sink::{Batch, Sink};

/// A stage is handed over early when it has gathered this many bytes, at most and at least. The
/// most is what one full read comes to, and a little more: large writes cost less.
const STAGE_BYTES: (usize, usize) = (640 * 1024, 64 * 1024);

/// From more destinations than this on, a pass shares the writing with the connections' own tasks.
const MANY_DESTINATIONS: usize = 512;

/// Frames for one destination that may be left to its task: copying them costs little.
const LEFT_BYTES: usize = 4 * 1024;

/// Tails from this size on are written from the read buffer instead of being copied.
pub(super) const CUT_BYTES: usize = 8 * 1024;

/// All stages are handed over early when together they have gathered about this many bytes. Fewer
/// bytes mean more writes, each of which may wake a sleeping receiver; more of them leave the
/// processor's cache before the kernel copies them. Measured with 8 and with 100 destinations.
const STAGED_BYTES: usize = 4 * 1024 * 1024;

/// Pieces per gathered write; the kernel takes at most 1024.
const MAX_PIECES: usize = 256;

/// What the stages of a pass share before one of them is handed over early. What is larger buys
/// little and lets slow receivers have larger backlogs.
const SHARED_BYTES: usize = 2 * 1024 * 1024;

/// The most one of several stages gathers: the slowest destination should be heard of before the
/// others have been given much more.
const SHARED_STAGE_BYTES: usize = 256 * 1024;

/// Stage memory that is kept for the next pass, in total, whatever the passes need.
const KEEP_BYTES: usize = 1024 * 1024;

/// Stage memory that is kept in total while passes need it: as much as one pass stages, with what
/// the growth of buffers leaves unused.
const KEEP_BUSY_BYTES: usize = 2 * STAGED_BYTES;

/// What all workers of a server together keep at most, so that many cores do not mean much memory.
const KEEP_SHARED_BYTES: usize = 64 * 1024 * 1024;

#[derive(Clone, Copy)]
struct Cut {
    at: usize,
    start: usize,
    len: usize,
}

/// The frames gathered for one destination.
#[derive(Default)]
struct Stage {
    to: Option<Arc<Connection>>,
    bytes: Vec<u8>,
    cuts: Vec<Cut>,
    cut_bytes: usize,
    count: Totals,
    /// Capacity of `bytes` as it went into [`Stages::kept`].
    kept: usize,
}

/// How destinations took what they were given.
#[derive(Default)]
pub(crate) struct Pressure {
    /// One of them is close to being cut off.
    pub stalled: Option<Arc<Connection>>,
    /// One of them has a backlog.
    pub crowded: Option<Arc<Connection>>,
    /// One of them could take more.
    pub relaxed: bool,
}

/// A message as a frame, but for the sid, in which the frames for different subscriptions differ.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// Whether the tail begins with the size of headers: then it is an HMSG.
    pub has_headers: bool,
    /// Subject as delivered.
    pub subject: &'a [u8],
    /// Everything after the sid: reply, sizes, payload, line end.
    pub tail: &'a [u8],
    /// Where the tail starts in the pass's input, if it is part of it.
    pub tail_start: Option<usize>,
    /// Payload bytes, headers included, for the statistics.
    pub payload_len: usize,
}

/// The stages of one data-path worker.
pub(crate) struct Stages {
    stages: Vec<Stage>,
    used: usize,
    /// From how many bytes on a stage is full.
    full: usize,
    /// By connection slot: the epoch in which the entry was made, and the stage.
    table: Vec<(u32, u32)>,
    epoch: u32,
    totals: Totals,
    /// Bytes that went into stages since all were last handed over.
    staged: usize,
    pressure: Pressure,
    /// Memory for a subject that is renamed on its way.
    name: Vec<u8>,
    /// Capacity of all stages.
    kept: usize,
    /// The capacity that recent passes used, sinking slowly.
    needed: usize,
    /// Most capacity that is kept.
    most_kept: usize,
}

impl Stages {
    /// No stages yet, of one of `workers` workers.
    pub(crate) fn new(workers: usize) -> Self {
        Stages {
            stages: Vec::new(),
            used: 0,
            full: 0,
            table: Vec::new(),
            epoch: 0,
            totals: Totals::default(),
            staged: 0,
            pressure: Pressure::default(),
            name: Vec::new(),
            kept: 0,
            needed: 0,
            most_kept: (KEEP_SHARED_BYTES / workers.max(1)).clamp(KEEP_BYTES, KEEP_BUSY_BYTES),
        }
    }

    /// Starts a pass: no destination has a stage.
    pub(crate) fn begin(&mut self) {
        self.used = 0;
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            // After 2^32 passes an old entry could look current.
            self.table.clear();
            self.epoch = 1;
        }
    }

    /// Appends a frame for `to`. Returns the stage's index if it is full and should be handed over.
    #[inline]
    pub(crate) fn push(
        &mut self,
        to: &Arc<Connection>,
        sid: &[u8],
        frame: &Frame<'_>,
    ) -> Option<usize> {
        let index = self.stage_of(to);
        self.staged += frame.tail.len();
        let stage = &mut self.stages[index];
        stage.push(sid, frame);
        (stage.total() >= self.full).then_some(index)
    }

    /// Appends protocol text for `to`, which is not counted as a message.
    pub(crate) fn push_text(&mut self, to: &Arc<Connection>, text: &[u8]) {
        let index = self.stage_of(to);
        self.stages[index].bytes.extend_from_slice(text);
    }

    /// A place to write one message frame for `to` by hand; `payload_len` is for the statistics.
    pub(crate) fn frame_buffer(
        &mut self,
        to: &Arc<Connection>,
        payload_len: usize,
    ) -> &mut Vec<u8> {
        let index = self.stage_of(to);
        let stage = &mut self.stages[index];
        stage.count.msgs += 1;
        stage.count.bytes += payload_len as u64;
        &mut stage.bytes
    }

    /// Hands the frames of one stage over.
    pub(crate) fn flush_one(&mut self, index: usize, input: &[u8]) {
        let stage = &mut self.stages[index];
        let Some(to) = &stage.to else { return };
        let (count, total) = (stage.count, stage.total());
        if total == 0 {
            return;
        }
        if !to.is_internal() {
            self.totals.add(count);
        }
        let batch = Gathered {
            stage,
            input,
            total,
        };
        // Of a great many destinations every other one is left to its own task: they are written
        // by all threads at once, and the last one waits half as long.
        let delivery = if self.used > MANY_DESTINATIONS && index % 2 == 1 && total < LEFT_BYTES {
            to.outbound.deliver_later(&batch, count)
        } else {
            to.outbound.deliver(&batch, count)
        };
        if delivery == Delivery::Refused {
            refuse(to, &batch);
        }
        to.set_stalled(matches!(delivery, Delivery::Stalled | Delivery::Refused));
        match delivery {
            Delivery::Accepted | Delivery::Closed => self.pressure.relaxed = true,
            Delivery::Crowded => self.pressure.crowded = Some(Arc::clone(to)),
            Delivery::Stalled | Delivery::Refused => {
                self.pressure.stalled = Some(Arc::clone(to));
            }
        }
        stage.empty();
    }

    /// Hands everything over.
    pub(crate) fn flush(&mut self, input: &[u8]) {
        let mut needed = 0;
        for index in 0..self.used {
            self.flush_one(index, input);
            let stage = &mut self.stages[index];
            stage.to = None;
            let capacity = stage.bytes.capacity();
            self.kept = self.kept - stage.kept + capacity;
            stage.kept = capacity;
            needed += capacity;
        }
        self.give_back(needed);
        self.used = 0;
        self.staged = 0;
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// Gives back memory beyond what passes needed lately; `needed` is what the last one did. What
    /// a busy pass grew is not grown again by the next one, and is gone some dozen small ones later.
    fn give_back(&mut self, needed: usize) {
        self.needed = needed.max(self.needed - self.needed / 8);
        let keep = self.needed.clamp(KEEP_BYTES, self.most_kept);
        // Not at every step down: each looks at all stages.
        if self.kept <= self.most_kept && self.kept / 2 <= keep {
            return;
        }
        self.kept = 0;
        for stage in &mut self.stages {
            if self.kept + stage.bytes.capacity() > keep {
                stage.bytes = Vec::new();
            }
            stage.kept = stage.bytes.capacity();
            self.kept += stage.kept;
        }
    }

    /// How the destinations took what was handed over since the last call.
    pub(crate) fn take_pressure(&mut self) -> Pressure {
        std::mem::take(&mut self.pressure)
    }

    /// Whether so much has gathered in all stages that it should leave before more is read.
    pub(crate) fn is_overfull(&self) -> bool {
        self.used > 1 && self.staged > STAGED_BYTES
    }

    /// Memory for a subject, to be given back with [`Self::keep_name`].
    pub(crate) fn take_name(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.name)
    }

    /// Keeps memory for the next subject.
    pub(crate) fn keep_name(&mut self, name: Vec<u8>) {
        self.name = name;
    }

    /// What was handed over since the last call.
    pub(crate) fn take_totals(&mut self) -> Totals {
        std::mem::take(&mut self.totals)
    }

    fn stage_of(&mut self, to: &Arc<Connection>) -> usize {
        let slot = to.slot as usize;
        if let Some(&(epoch, index)) = self.table.get(slot)
            && epoch == self.epoch
        {
            return index as usize;
        }
        self.open_stage(to, slot)
    }

    #[cold]
    fn open_stage(&mut self, to: &Arc<Connection>, slot: usize) -> usize {
        let index = self.used;
        self.used += 1;
        self.full = match self.used {
            1 => STAGE_BYTES.0,
            used => (SHARED_BYTES / used).clamp(STAGE_BYTES.1, SHARED_STAGE_BYTES),
        };
        if index == self.stages.len() {
            self.stages.push(Stage::default());
        }
        self.stages[index].to = Some(Arc::clone(to));
        if slot >= self.table.len() {
            self.table.resize((slot + 1).next_power_of_two(), (0, 0));
        }
        self.table[slot] = (self.epoch, index as u32);
        index
    }
}

impl Stage {
    fn total(&self) -> usize {
        self.bytes.len() + self.cut_bytes
    }

    #[inline]
    fn push(&mut self, sid: &[u8], frame: &Frame<'_>) {
        let Frame {
            has_headers,
            subject,
            tail,
            tail_start,
            payload_len,
        } = frame;
        self.count.msgs += 1;
        self.count.bytes += *payload_len as u64;
        let cut = tail_start.filter(|_| tail.len() >= CUT_BYTES);
        let copied = if cut.is_some() { 0 } else { tail.len() };
        let bytes = &mut self.bytes;
        bytes.reserve(subject.len() + sid.len() + copied + 7);
        match has_headers {
            true => bytes.extend_from_slice(b"HMSG "),
            false => bytes.extend_from_slice(b"MSG "),
        }
        bytes.extend_from_slice(subject);
        // Most sids have a digit or two, for which a call to copy them costs more than they do.
        match *sid {
            [a] => bytes.extend_from_slice(&[b' ', a, b' ']),
            [a, b] => bytes.extend_from_slice(&[b' ', a, b, b' ']),
            [a, b, c] => bytes.extend_from_slice(&[b' ', a, b, c, b' ']),
            _ => {
                bytes.push(b' ');
                bytes.extend_from_slice(sid);
                bytes.push(b' ');
            }
        }
        match cut {
            None => bytes.extend_from_slice(tail),
            Some(start) => {
                self.cuts.push(Cut {
                    at: bytes.len(),
                    start,
                    len: tail.len(),
                });
                self.cut_bytes += tail.len();
            }
        }
    }

    fn empty(&mut self) {
        self.bytes.clear();
        self.cuts.clear();
        self.cut_bytes = 0;
        self.count = Totals::default();
    }
}

/// Tells a destination which frames it had no room for.
#[cold]
fn refuse(to: &Connection, batch: &Gathered<'_>) {
    let pieces: Vec<&[u8]> = batch.pieces(0).collect();
    to.refuse(&pieces.concat());
}

/// A stage together with the input that its cuts point into.
struct Gathered<'a> {
    stage: &'a Stage,
    input: &'a [u8],
    total: usize,
}

impl<'a> Gathered<'a> {
    /// The pieces in order, without the first `skip` bytes.
    fn pieces(&self, skip: usize) -> impl Iterator<Item = &'a [u8]> {
        let Gathered { stage, input, .. } = *self;
        let mut from = 0;
        let mut skip = skip;
        let copied = stage.cuts.iter().flat_map(move |cut| {
            let before = &stage.bytes[from..cut.at];
            from = cut.at;
            [before, &input[cut.start..cut.start + cut.len]]
        });
        let last = stage.cuts.last().map_or(0, |cut| cut.at);
        copied
            .chain(std::iter::once(&stage.bytes[last..]))
            .filter_map(move |piece| {
                let skipped = skip.min(piece.len());
                skip -= skipped;
                Some(&piece[skipped..]).filter(|piece| !piece.is_empty())
            })
    }
}

impl Batch for Gathered<'_> {
    fn total(&self) -> usize {
        self.total
    }

    fn copy_from(&self, skip: usize, out: &mut Backlog, pool: &Blocks) {
        self.pieces(skip).for_each(|piece| out.push(piece, pool));
    }

    fn write_to(&self, sink: &dyn Sink, skip: usize) -> io::Result<usize> {
        if self.stage.cuts.is_empty() {
            return sink.try_write_vectored(&[IoSlice::new(&self.stage.bytes[skip..])]);
        }
        let mut parts = [IoSlice::new(&[]); MAX_PIECES];
        let mut count = 0;
        for (part, piece) in parts.iter_mut().zip(self.pieces(skip)) {
            *part = IoSlice::new(piece);
            count += 1;
        }
        sink.try_write_vectored(&parts[..count])
    }
}
