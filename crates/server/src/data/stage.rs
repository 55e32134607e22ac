//! Frames gathered per destination while one read is worked through.
//!
//! A publisher's read usually holds many messages for few destinations. Their frames are appended
//! here and leave with one hand-off per destination at the end of the read (or when a stage is
//! full). Small frames are copied; the tail of a large one is only noted by its place in the read
//! buffer and written from there, so a large payload is copied by nobody but the kernel.
//!
//! Messages in a row for the same many destinations are gathered once for all of them
//! ([`super::unison`]); the stage of each notes their place like that of a large payload.
//!
//! Invariants: the input of a pass outlives its stages (`flush` is given the input again and runs
//! before the read buffer changes). The table from a connection's slot to its stage is valid within
//! one pass, known by its epoch. While messages are gathered for several, no stage of theirs gets
//! anything else: what comes ends that first.

use std::sync::Arc;

use super::connection::Connection;
use super::delivery::Sub;
use super::gathered::{Gathered, Pieces};
use super::outbound::Delivery;
use super::queue::Totals;
use super::unison::Unison;

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

/// The frames gathered for one destination.
#[derive(Default)]
struct Stage {
    to: Option<Arc<Connection>>,
    pieces: Pieces,
    count: Totals,
    /// Capacity of its memory as it went into [`Stages::kept`].
    kept: usize,
}

/// What should be handed over before more is staged.
#[derive(Clone, Copy)]
pub(crate) enum Full {
    /// The stage of this index.
    One(usize),
    /// All of them.
    All,
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

impl Frame<'_> {
    /// Appends the frame for `sid`, a large tail by its place only.
    #[inline]
    fn write(&self, sid: &[u8], out: &mut Pieces) {
        match self.tail_start.filter(|_| self.tail.len() >= CUT_BYTES) {
            None => self.write_copied(sid, out.bytes()),
            Some(start) => {
                self.write_head(sid, 0, out.bytes());
                out.refer_to_input(start, self.tail.len());
            }
        }
    }

    /// Appends the frame for `sid`, all of it copied.
    #[inline]
    pub(super) fn write_copied(&self, sid: &[u8], out: &mut Vec<u8>) {
        self.write_head(sid, self.tail.len(), out);
        out.extend_from_slice(self.tail);
    }

    /// Appends what comes before the tail, and has room for `more` bytes behind it.
    #[inline]
    fn write_head(&self, sid: &[u8], more: usize, out: &mut Vec<u8>) {
        out.reserve(self.subject.len() + sid.len() + more + 7);
        match self.has_headers {
            true => out.extend_from_slice(b"HMSG "),
            false => out.extend_from_slice(b"MSG "),
        }
        out.extend_from_slice(self.subject);
        // Most sids have a digit or two, for which a call to copy them costs more than they do.
        match *sid {
            [a] => out.extend_from_slice(&[b' ', a, b' ']),
            [a, b] => out.extend_from_slice(&[b' ', a, b, b' ']),
            [a, b, c] => out.extend_from_slice(&[b' ', a, b, c, b' ']),
            _ => {
                out.push(b' ');
                out.extend_from_slice(sid);
                out.push(b' ');
            }
        }
    }
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
    /// Messages in a row for the same many destinations.
    unison: Unison,
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
            unison: Unison::default(),
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

    /// Appends a frame for `to`. Returns what should be handed over.
    #[inline]
    pub(crate) fn push(
        &mut self,
        to: &Arc<Connection>,
        sid: &[u8],
        frame: &Frame<'_>,
    ) -> Option<Full> {
        let index = self.stage_of(to);
        self.staged += frame.tail.len();
        let stage = &mut self.stages[index];
        stage.count.msgs += 1;
        stage.count.bytes += frame.payload_len as u64;
        frame.write(sid, &mut stage.pieces);
        (stage.pieces.total() >= self.full).then_some(Full::One(index))
    }

    /// Appends a frame for all of `subs`, if messages are being gathered for them or this begins
    /// it; returns what should be handed over. Otherwise `None`, and nothing happened. Whether all
    /// of them `can` take the same frame is asked when it begins.
    #[inline]
    pub(crate) fn push_in_unison(
        &mut self,
        subs: &[Sub],
        frame: &Frame<'_>,
        can: impl FnOnce() -> bool,
    ) -> Option<Option<Full>> {
        if !self.unison.is_of(subs) {
            if !self.unison.foretells(subs) || !can() {
                return None;
            }
            self.begin_unison(subs);
        }
        self.staged += frame.tail.len();
        let is_full = self.unison.push(frame);
        Some(is_full.then_some(Full::All))
    }

    /// Appends protocol text for `to`, which is not counted as a message.
    pub(crate) fn push_text(&mut self, to: &Arc<Connection>, text: &[u8]) {
        let index = self.stage_of(to);
        self.stages[index].pieces.bytes().extend_from_slice(text);
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
        stage.pieces.bytes()
    }

    #[cold]
    fn begin_unison(&mut self, subs: &[Sub]) {
        let mut members = Vec::with_capacity(subs.len());
        members.extend(subs.iter().map(|sub| self.stage_of(sub.destination())));
        self.unison.begin(subs, members);
    }

    /// What was gathered for several goes to the stage of each.
    #[cold]
    fn end_unison(&mut self) {
        let Stages { stages, unison, .. } = self;
        unison.end(|member, start, shared, count| {
            let stage = &mut stages[member];
            stage.count.add(count);
            stage.pieces.refer_to_shared(start, shared);
        });
    }

    /// Hands the frames of one stage over.
    fn flush_one(&mut self, index: usize, input: &[u8]) {
        let stage = &mut self.stages[index];
        let Some(to) = &stage.to else { return };
        let (count, total) = (stage.count, stage.pieces.total());
        if total == 0 {
            return;
        }
        if !to.is_internal() {
            self.totals.add(count);
        }
        let batch = Gathered::new(&stage.pieces, input, self.unison.bytes());
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
        stage.pieces.clear();
        stage.count = Totals::default();
    }

    /// Hands over what is full, and everything if too much has gathered. Then a new pass begins.
    pub(crate) fn relieve(&mut self, full: Full, input: &[u8]) {
        self.unison_ends();
        match full {
            Full::One(index) if self.used <= 1 || self.staged <= STAGED_BYTES => {
                self.flush_one(index, input);
            }
            _ => {
                self.flush(input);
                self.begin();
            }
        }
    }

    /// Hands everything over.
    pub(crate) fn flush(&mut self, input: &[u8]) {
        self.unison_ends();
        let mut needed = self.unison.capacity();
        for index in 0..self.used {
            self.flush_one(index, input);
            let stage = &mut self.stages[index];
            stage.to = None;
            let capacity = stage.pieces.capacity();
            self.kept = self.kept - stage.kept + capacity;
            stage.kept = capacity;
            needed += capacity;
        }
        self.unison.clear();
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
        self.unison.shrink(keep);
        for stage in &mut self.stages {
            if self.kept + stage.pieces.capacity() > keep {
                stage.pieces = Pieces::default();
            }
            stage.kept = stage.pieces.capacity();
            self.kept += stage.kept;
        }
    }

    /// How the destinations took what was handed over since the last call.
    pub(crate) fn take_pressure(&mut self) -> Pressure {
        std::mem::take(&mut self.pressure)
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

    #[inline]
    fn unison_ends(&mut self) {
        if self.unison.is_open() {
            self.end_unison();
        }
    }

    /// The stage of a destination, to which something is to be added.
    #[inline]
    fn stage_of(&mut self, to: &Arc<Connection>) -> usize {
        self.unison_ends();
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

/// Tells a destination which frames it had no room for.
#[cold]
fn refuse(to: &Connection, batch: &Gathered<'_>) {
    let pieces: Vec<&[u8]> = batch.pieces(0).collect();
    to.refuse(&pieces.concat());
}
