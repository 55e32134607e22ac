//! Reading a snapshot as it arrives.

use std::fmt;

use cognate_model::is_valid_name;

use crate::assembly::{Assembly, Sink};
use crate::compression;
use crate::consumer_state::ConsumerState;
use crate::directory::block_number;
use crate::index::Index;
use crate::meta::{ConsumerMeta, StreamMeta};
use crate::report::Report;
use crate::s2::Decoder;
use crate::tar::{Entry, Reader, TarError};

/// Why a snapshot cannot be restored.
#[derive(Debug)]
pub enum SnapshotError<E> {
    /// It is no S2 stream, or damaged.
    Compression,
    /// It is no archive, or damaged.
    Archive(String),
    /// It ends before its end.
    Cut,
    /// It has a file that no snapshot has.
    UnexpectedFile(String),
    /// It is that of another stream.
    WrongStream(String),
    /// One of its files makes no sense.
    Content(String),
    /// The server that made it says that it failed.
    Failed(String),
    /// The sink takes no more.
    Sink(E),
}

impl<E: fmt::Display> fmt::Display for SnapshotError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotError::Compression => f.write_str("s2: corrupt input"),
            SnapshotError::Archive(reason) | SnapshotError::Content(reason) => f.write_str(reason),
            SnapshotError::Cut => f.write_str("unexpected EOF"),
            SnapshotError::UnexpectedFile(name) => write!(f, "unexpected content: {name:?}"),
            SnapshotError::WrongStream(_) => f.write_str("stream names do not match"),
            SnapshotError::Failed(reason) => {
                write!(f, "the snapshot says that it failed: {reason}")
            }
            SnapshotError::Sink(error) => error.fmt(f),
        }
    }
}

impl<E> From<TarError> for SnapshotError<E> {
    fn from(error: TarError) -> Self {
        SnapshotError::Archive(error.to_string())
    }
}

/// A consumer of which not all files have arrived.
#[derive(Debug, Default)]
struct Partial {
    name: String,
    meta: Option<ConsumerMeta>,
    state: Option<ConsumerState>,
}

/// Takes a snapshot in pieces and hands what is in it to a [`Sink`].
#[derive(Debug)]
pub struct SnapshotReader {
    decoder: Decoder,
    archive: Reader,
    assembly: Assembly,
    is_begun: bool,
    messages_ended: bool,
    consumer: Option<Partial>,
}

impl SnapshotReader {
    /// Of a snapshot of this stream; that of another one is refused.
    #[must_use]
    pub fn new(stream: &str) -> Self {
        Self {
            decoder: Decoder::default(),
            archive: Reader::default(),
            assembly: Assembly::new(stream),
            is_begun: false,
            messages_ended: false,
            consumer: None,
        }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// If it is not what follows in a snapshot, or the sink takes no more. The reader is of no use
    /// then.
    pub fn push<S: Sink>(
        &mut self,
        bytes: &[u8],
        sink: &mut S,
    ) -> Result<(), SnapshotError<S::Error>> {
        self.decoder.push(bytes);
        while let Some(block) = self
            .decoder
            .next_block()
            .map_err(|_| SnapshotError::Compression)?
        {
            self.archive.push(&block);
            while let Some(entry) = self.archive.next_entry()? {
                self.file(entry, sink)?;
            }
        }
        Ok(())
    }

    /// There is no more.
    ///
    /// # Errors
    /// If something is missing, or the sink takes no more.
    pub fn finish<S: Sink>(mut self, sink: &mut S) -> Result<Report, SnapshotError<S::Error>> {
        if !self.decoder.is_at_end() || !self.archive.is_at_end() || !self.is_begun {
            return Err(SnapshotError::Cut);
        }
        self.end_messages(sink)?;
        self.end_consumer(sink)?;
        Ok(self.assembly.report)
    }

    fn file<S: Sink>(&mut self, entry: Entry, sink: &mut S) -> Result<(), SnapshotError<S::Error>> {
        let unexpected = || SnapshotError::UnexpectedFile(entry.name.clone());
        let mut parts = entry.name.split('/');
        let path = (parts.next(), parts.next(), parts.next(), parts.next());
        match path {
            (Some("errors.txt"), None, ..) => {
                let text = String::from_utf8_lossy(&entry.bytes);
                Err(SnapshotError::Failed(text.chars().take(200).collect()))
            }
            (Some("meta.inf"), None, ..) if !self.is_begun => self.begin(&entry.bytes, sink),
            (Some("meta.sum"), None, ..) => Ok(()),
            _ if !self.is_begun => Err(unexpected()),
            (Some("msgs"), Some(name), None, _) => match block_number(name) {
                Some(number) => self.block(number, entry.bytes, sink),
                None if name == "index.db" => {
                    if let Some(index) = Index::read(&entry.bytes, self.assembly.stream()) {
                        self.assembly.index(index);
                    }
                    Ok(())
                }
                // What follows from the messages.
                None if matches!(name, "thw.db" | "sched.db") => Ok(()),
                None => Err(unexpected()),
            },
            (Some("obs"), Some(consumer), Some(file), None) if is_valid_name(consumer) => {
                self.end_messages(sink)?;
                if self
                    .consumer
                    .as_ref()
                    .is_some_and(|now| now.name != consumer)
                {
                    self.end_consumer(sink)?;
                }
                self.consumer_file(consumer, file, &entry.bytes)
                    .unwrap_or_else(|| Err(unexpected()))
            }
            _ => Err(unexpected()),
        }
    }

    fn begin<S: Sink>(&mut self, text: &[u8], sink: &mut S) -> Result<(), SnapshotError<S::Error>> {
        let meta = StreamMeta::read(text)
            .map_err(|error| SnapshotError::Content(format!("meta.inf: {error}")))?;
        if meta.config.name != self.assembly.stream() {
            return Err(SnapshotError::WrongStream(meta.config.name));
        }
        self.is_begun = true;
        sink.stream(meta).map_err(SnapshotError::Sink)
    }

    fn block<S: Sink>(
        &mut self,
        number: u32,
        bytes: Vec<u8>,
        sink: &mut S,
    ) -> Result<(), SnapshotError<S::Error>> {
        if self.messages_ended {
            let text = format!("block {number} comes after the consumers");
            return Err(SnapshotError::Content(text));
        }
        let (plain, is_whole) = compression::open(bytes);
        let taken = self.assembly.block(number, &plain, is_whole, sink);
        taken.map_err(SnapshotError::Sink)
    }

    fn end_messages<S: Sink>(&mut self, sink: &mut S) -> Result<(), SnapshotError<S::Error>> {
        if std::mem::replace(&mut self.messages_ended, true) {
            return Ok(());
        }
        let ended = self.assembly.end(sink);
        ended.map_err(SnapshotError::Sink)
    }

    /// Takes a file of a consumer; `None` if no consumer has such a file.
    fn consumer_file<E>(
        &mut self,
        name: &str,
        file: &str,
        bytes: &[u8],
    ) -> Option<Result<(), SnapshotError<E>>> {
        let now = self.consumer.get_or_insert_with(|| Partial {
            name: name.to_owned(),
            ..Partial::default()
        });
        let wrong = |what: &str| SnapshotError::Content(format!("consumer {name}: {what}"));
        match file {
            "meta.inf" => match ConsumerMeta::read(bytes) {
                Ok(mut meta) => {
                    meta.name = name.to_owned();
                    now.meta = Some(meta);
                }
                Err(error) => return Some(Err(wrong(&format!("meta.inf: {error}")))),
            },
            "meta.sum" => {}
            "o.dat" => match ConsumerState::read(bytes) {
                Some(state) => now.state = Some(state),
                None => return Some(Err(wrong("o.dat is damaged"))),
            },
            _ => return None,
        }
        Some(Ok(()))
    }

    fn end_consumer<S: Sink>(&mut self, sink: &mut S) -> Result<(), SnapshotError<S::Error>> {
        let Some(partial) = self.consumer.take() else {
            return Ok(());
        };
        let Some(meta) = partial.meta else {
            let text = format!("consumer {}: meta.inf is missing", partial.name);
            return Err(SnapshotError::Content(text));
        };
        self.assembly.report.consumers += 1;
        let taken = sink.consumer(meta, partial.state);
        taken.map_err(SnapshotError::Sink)
    }
}
