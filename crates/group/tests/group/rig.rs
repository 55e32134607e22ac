//! A group over simulated disks, and a recorder of what it sends.

use cognate_consumer::DeadLetter;
use cognate_group::{
    Finished, Group, MemberSpec, Notice, Outgoing, Outlet, Place, Policy, Specification, SyncWork,
    kind,
};
use cognate_model::{ConsumerConfig, StreamConfig, Timestamp, json};
use cognate_store::disk::sim::SimDisk;
use cognate_store::{FileStore, FileStoreOptions, Journal};
use cognate_stream::{BatchKind, Surroundings};
use cognate_wire::encode::write_msg;

/// When scripts begin.
pub(crate) const START: Timestamp = Timestamp(1_700_000_000_000_000_000);

/// Writes down what leaves.
#[derive(Default)]
pub(crate) struct Recorder {
    /// `to payload` of each message.
    pub(crate) sent: Vec<String>,
    /// How many batches may begin.
    pub(crate) places: usize,
}

impl Outlet for Recorder {
    fn publish(&mut self, message: &Outgoing<'_>) -> bool {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        self.sent
            .push(format!("{} {}", text(message.to), text(message.payload)));
        true
    }

    fn has_interest(&mut self, _: &[u8], _: Option<&[u8]>) -> bool {
        true
    }

    fn dead_letter(&mut self, _: Place, _: &DeadLetter<'_>) {}

    fn begin_batch(&mut self, _: BatchKind) -> bool {
        let is_free = self.places > 0;
        self.places = self.places.saturating_sub(1);
        is_free
    }

    fn end_batch(&mut self, _: BatchKind) {
        self.places += 1;
    }

    fn notice(&mut self, _: Notice) {}
}

/// A group, its disks and its outlet.
pub(crate) struct Rig {
    pub(crate) group: Group<SimDisk>,
    pub(crate) out: Recorder,
    pub(crate) now: Timestamp,
    pub(crate) messages: SimDisk,
    pub(crate) journal: SimDisk,
    config: StreamConfig,
    work: Option<SyncWork<SimDisk>>,
}

impl Rig {
    /// A new stream.
    pub(crate) fn new(config: &str) -> Self {
        let mut rig = Self::over(config, SimDisk::new(1), SimDisk::new(2));
        rig.group.begin_journal();
        rig.settle();
        rig
    }

    /// A stream over disks that may hold something; its consumers are not there yet.
    pub(crate) fn over(config: &str, messages: SimDisk, journal: SimDisk) -> Self {
        Self::with(FileStoreOptions::new(7, 1), config, messages, journal)
    }

    /// The same with a store that uses its files and memory in another way than the usual one.
    pub(crate) fn with(
        options: FileStoreOptions,
        config: &str,
        messages: SimDisk,
        journal: SimDisk,
    ) -> Self {
        let decoded = json::decode::<StreamConfig>(config.as_bytes());
        let (mut config, unknown) = decoded.expect("a configuration");
        assert_eq!(unknown, Vec::<String>::new());
        config.max_msg_size = -1;
        let (store, _) = FileStore::open(messages.clone(), options).expect("a store");
        let journal_found = Journal::open(journal.clone(), "consumers", 7).expect("a journal");
        let specification = Specification {
            config: config.clone(),
            account: "$G".to_owned(),
            created: START,
            surroundings: Surroundings::default(),
            store: Some(store),
            journal: Some(journal_found),
            policy: Policy::Synced,
            seed: 1,
            max_pending: 1 << 20,
        };
        Rig {
            group: Group::new(specification, START).expect("a group"),
            out: Recorder {
                places: 10,
                ..Recorder::default()
            },
            now: START,
            messages,
            journal,
            config,
            work: None,
        }
    }

    /// The specification of a consumer with place 1.
    pub(crate) fn consumer(config: &str) -> MemberSpec {
        let decoded = json::decode::<ConsumerConfig>(config.as_bytes());
        let (config, unknown) = decoded.expect("a configuration");
        assert_eq!(unknown, Vec::<String>::new());
        MemberSpec {
            place: 1,
            name: config.durable_name.clone(),
            config,
            created: START,
        }
    }

    /// Adds a consumer.
    pub(crate) fn add(&mut self, config: &str) {
        let spec = Self::consumer(config);
        let mut beginning = self.group.start_consumer(&spec.config).expect("a place");
        while !beginning.is_done() {
            self.group.continue_consumer(&mut beginning);
        }
        self.group
            .add_consumer(spec, beginning, self.now, &mut self.out);
    }

    /// A publish to `subject`, answered to `reply`.
    pub(crate) fn publish(&mut self, subject: &str, headers: &[u8], payload: &str) {
        let header_len = Some(headers.len()).filter(|&len| len > 0);
        let body = [headers, payload.as_bytes()].concat();
        let mut frame = Vec::new();
        let (reply, sid) = (Some(&b"reply"[..]), [kind::PUBLISH]);
        write_msg(
            &mut frame,
            subject.as_bytes(),
            &sid,
            reply,
            header_len,
            &body,
        );
        self.take(&frame);
    }

    /// A frame for the consumer with place 1.
    pub(crate) fn tell(&mut self, kind: u8, subject: &str, payload: &str) {
        let mut frame = Vec::new();
        let (reply, sid) = (Some(&b"inbox"[..]), [kind, b'1']);
        let subject = subject.as_bytes();
        write_msg(&mut frame, subject, &sid, reply, None, payload.as_bytes());
        self.take(&frame);
    }

    fn take(&mut self, frames: &[u8]) {
        let taken = self
            .group
            .handle_frames(frames, usize::MAX, self.now, 5, &mut self.out);
        assert_eq!(taken, frames.len());
    }

    /// Writes, and begins a sync if there is none.
    pub(crate) fn flush(&mut self) {
        let work = self.group.flush(self.now, self.work.is_some());
        self.work = self.work.take().or(work);
    }

    /// Ends the sync that is under way; returns whether there was one.
    pub(crate) fn sync(&mut self) -> bool {
        let Some(work) = self.work.take() else {
            return false;
        };
        let finished: Finished<SimDisk> = work.run();
        self.group.finish_sync(finished);
        true
    }

    /// One step, but for the sync that it may begin. Returns whether there is more to do at once.
    pub(crate) fn step(&mut self) -> bool {
        self.group.handle_timeouts(self.now, &mut self.out);
        self.flush();
        let more = self.group.advance(self.now, &mut self.out);
        self.group.write_journal();
        more
    }

    /// Steps and syncs until nothing is left to do.
    pub(crate) fn settle(&mut self) {
        for _ in 0..1000 {
            let more = self.step();
            let is_due = self.group.next_timeout().is_some_and(|at| at <= self.now);
            if !self.sync() && !more && !is_due {
                return;
            }
        }
        panic!("there is no end of it");
    }

    /// Does what can wait, until the store says that there is nothing more.
    pub(crate) fn maintain(&mut self) {
        for _ in 0..10_000 {
            let more = self.group.maintain();
            self.settle();
            if !more {
                return;
            }
        }
        panic!("there is no end of it");
    }

    /// The same stream after the process was killed, with the consumer of this configuration.
    pub(crate) fn restarted(&self, config: &str, consumer: &str) -> Self {
        let mut rig = Self::over(config, self.messages.kill(), self.journal.kill());
        let spec = Self::consumer(consumer);
        let recovered = rig.group.recover_consumer(spec, rig.now, &mut rig.out);
        assert!(recovered.expect("a consumer").is_whole);
        rig.group.begin_journal();
        rig
    }

    /// What was sent since the last call.
    pub(crate) fn sent(&mut self) -> Vec<String> {
        std::mem::take(&mut self.out.sent)
    }

    /// The configuration as it was decoded.
    pub(crate) fn config(&self) -> &StreamConfig {
        &self.config
    }
}
