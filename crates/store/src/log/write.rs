//! Growing the log: taking space, putting records, starting segments, writing the buffer.

use cognate_model::{Sequence, StoreError};

use super::fold::Folder;
use super::header::{self, HEADER_LEN, Header};
use super::index::SegmentIndex;
use super::record::{self, Control};
use super::segment::Segment;
use super::sidecar;
use super::tail::Tail;
use super::trace::Step;
use super::{Log, SPAN, failed};
use crate::disk::{Disk, DiskError, DiskFile, OpenMode};

/// Space is taken in steps, from the first to the last, each twice the one before: a stream with
/// few messages shall not take what a busy one needs.
const FIRST_STEP: u64 = 16 << 10;
const LAST_STEP: u64 = 4 << 20;
/// The largest step where zeros are written first, and how many of them at a time.
const LAST_WRITTEN_STEP: u64 = 1 << 20;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
/// What is always left free: a mark, and zeros that show where records end.
const SLACK: u64 = 64;
/// What messages leave free for other records, so that a full disk can be relieved by removing.
const RESERVE: u64 = 4096;

/// What a record is for, when it comes to space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It stores something.
    Message,
    /// It takes something away, or little space.
    Control,
}

impl<D: Disk> Log<D> {
    /// Makes room for a record of `len` bytes, of the message `next` if it is one; nothing has
    /// changed if there is none.
    #[inline]
    pub(crate) fn make_room(
        &mut self,
        len: usize,
        next: Sequence,
        purpose: Purpose,
    ) -> Result<(), StoreError> {
        let len = record::padded(len) as u64;
        let reserve = match purpose {
            Purpose::Message => RESERVE,
            Purpose::Control => 0,
        };
        let end = self.tail.end() + len + SLACK + reserve;
        let Some(segment) = self.segments.last() else {
            return self.start_segment(next, len);
        };
        let indexed = segment.index.as_deref().map_or(0, SegmentIndex::file_bytes);
        let is_full = end > self.options.segment_bytes
            || next - segment.base >= SPAN
            || indexed > self.options.segment_index_bytes;
        if is_full && segment.data_end > HEADER_LEN {
            self.start_segment(next, len)?;
            self.limit_indexes(self.segments.len() - 1);
            return Ok(());
        }
        if end > self.allocated {
            return self.take_space(end);
        }
        Ok(())
    }

    fn take_space(&mut self, end: u64) -> Result<(), StoreError> {
        let last_step = match self.options.prewrite {
            true => LAST_WRITTEN_STEP,
            false => LAST_STEP,
        };
        let step = self.allocated.clamp(FIRST_STEP, last_step);
        let want = end.max(self.allocated + step).next_multiple_of(4096);
        let last = self.segments.len() - 1;
        let file = self.file(last).map_err(failed)?;
        file.allocate(want).map_err(failed)?;
        if self.options.prewrite {
            self.write_zeros(&file, want).map_err(failed)?;
        }
        self.allocated = want;
        Ok(())
    }

    /// Writes zeros to space that was taken. A sync of what is written there later finds nothing about
    /// the file changed but its contents, which saves a write of the file's own description and, on
    /// most file systems, of a journal.
    fn write_zeros(&self, file: &D::File, end: u64) -> Result<(), DiskError> {
        let mut at = self.allocated;
        while at < end {
            let len = (end - at).min(ZEROS.len() as u64);
            file.write_at(&ZEROS[..len as usize], at)?;
            at += len;
        }
        Ok(())
    }

    /// Seals the last segment and starts another.
    pub(crate) fn start_segment(&mut self, next: Sequence, len: u64) -> Result<(), StoreError> {
        // What is not in the file yet could not be written once another one is the last.
        self.write_out().map_err(failed)?;
        let number = self.segments.last().map_or(1, |last| last.number + 1);
        let name = header::log_name(number, 0);
        let created = self.create(&name, number, next, len);
        let file = match created {
            Ok(file) => file,
            Err(error) => {
                let _ = self.disk.remove(&name);
                return Err(failed(error));
            }
        };
        let index = self.seal_last();
        let mut segment = Segment::new(self.stream, number, 0, next);
        segment.key = self.next_key;
        self.next_key += 1;
        segment.index = Some(index);
        self.dirty.push((segment.key, file.clone()));
        segment.file = Some(file);
        self.segments.push(segment);
        self.dir_dirty = true;
        self.marked = 0;
        self.unmarked_end = 0;
        self.tail = Tail::at(HEADER_LEN, self.tail.take_buffer());
        self.begin_trace();
        let last = self.segments.len() - 1;
        self.limit_open_files(last);
        Ok(())
    }

    fn create(
        &mut self,
        name: &str,
        number: u64,
        base: Sequence,
        len: u64,
    ) -> Result<D::File, DiskError> {
        let Some(file) = self.disk.open(name, OpenMode::Truncate)? else {
            return Err(DiskError::Other(format!("{name} could not be made")));
        };
        let want = (HEADER_LEN + len + SLACK + RESERVE)
            .max(FIRST_STEP)
            .next_multiple_of(4096);
        file.allocate(want)?;
        if self.options.prewrite {
            file.write_at(&ZEROS[..(want as usize).min(ZEROS.len())], 0)?;
        }
        let header = Header {
            stream: self.stream,
            number,
            generation: 0,
            base,
            floor: self.floor,
            last_time: self.last_time,
        };
        file.write_at(&header.encode(), 0)?;
        self.allocated = want;
        Ok(file)
    }

    /// Writes the index of the last segment, which will not change any more. Returns one for the next
    /// segment: if nobody has looked anything up while this one was the last, nobody is likely to do so
    /// soon, and its memory is used again.
    fn seal_last(&mut self) -> Box<SegmentIndex> {
        let (floor, stream) = (self.floor, self.stream);
        let is_asked_for = std::mem::take(&mut self.is_asked_for);
        let Some(segment) = self.segments.last_mut() else {
            return Box::default();
        };
        if let Some(index) = segment.index.as_deref_mut() {
            index.sort(stream);
        }
        let place = (&self.disk, &self.folder);
        // What the records do not tell must not be made again from them.
        let is_final = self.ghosts == Some((segment.number, segment.generation));
        let written = Self::write_index(place, stream, segment, floor, is_final);
        // One that is open is of the file as it was before.
        segment.sidecar = None;
        if !is_asked_for && written.is_ok() {
            let mut index = segment.index.take().unwrap_or_default();
            index.clear();
            return index;
        }
        if let Some(index) = segment.index.as_deref_mut() {
            index.entries.shrink_to_fit();
            // They are needed after a restart only, and then they are in the file.
            index.controls = Default::default();
        }
        Box::default()
    }

    /// Writes a segment's index. That may fail: it is made again when it is needed.
    pub(crate) fn write_index(
        (disk, folder): (&D, &Folder),
        stream: u64,
        segment: &Segment<D::File>,
        floor: Sequence,
        clean: bool,
    ) -> Result<(), DiskError> {
        let Some(index) = segment.index.as_deref() else {
            return Ok(());
        };
        let bytes = sidecar::encode(stream, &segment.summary(floor, clean), index, folder);
        let name = header::index_name(segment.number, segment.generation);
        sidecar::write(disk, &name, &bytes)
    }

    /// Puts a record that is no message; room was made for it.
    pub(crate) fn put_control(&mut self, control: Control) {
        let Some(segment) = self.segments.last_mut() else {
            return;
        };
        record::put_control(self.tail.buffer(), segment.salt, control);
        segment.data_end = self.tail.end();
        match control {
            Control::Remove { sequence, .. } => self.trace.step(Step::Remove { sequence }),
            Control::Floor { sequence } => self.trace.step(Step::Floor { sequence }),
            Control::Skip { next, .. } => self.trace.step(Step::Skip { from: next, next }),
            Control::Deadline { .. } | Control::Synced { .. } | Control::Erased { .. } => {}
        }
        if let Some(index) = segment.index.as_deref_mut() {
            index.controls.push(control);
        }
    }

    /// Writes what the file does not have; all of it is still here if that fails.
    pub(crate) fn write_out(&mut self) -> Result<(), DiskError> {
        if self.tail.unwritten().is_empty() {
            return Ok(());
        }
        let last = self.segments.len().saturating_sub(1);
        let file = self.file(last)?;
        file.write_at(self.tail.unwritten(), self.tail.written_end())?;
        let segment = &self.segments[last];
        let (key, next) = (segment.key, segment.next.max(segment.end));
        self.tail.mark_written();
        let end = self.tail.written_end();
        if self.trace.is_kept() && !self.trace.write(end, self.marked, next) {
            self.drop_trace();
        }
        self.mark_dirty(key, file);
        Ok(())
    }

    /// A sync must cover this file.
    pub(crate) fn mark_dirty(&mut self, key: u64, file: D::File) {
        if self.dirty.iter().all(|(known, _)| *known != key) {
            self.dirty.push((key, file));
        }
    }
}
