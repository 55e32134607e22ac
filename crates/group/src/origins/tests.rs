//! Groups that follow origins, over disks that fail.

use cognate_consumer::DeadLetter;
use cognate_model::{StreamConfig, Timestamp, WriteMark, json};
use cognate_store::disk::sim::SimDisk;
use cognate_store::{FileStore, FileStoreOptions, Journal};
use cognate_stream::{BatchKind, GetRequest, PurgeRequest, Surroundings};
use cognate_wire::encode::write_msg;

use super::{Origins, Positions, Wish};
use crate::outlet::Outgoing;
use crate::{Group, Notice, Outlet, Place, Policy, Specification};

const SECOND: i64 = 1_000_000_000;

/// What a group sends, as text.
#[derive(Default)]
struct Sent(Vec<String>);

impl Outlet for Sent {
    fn publish(&mut self, message: &Outgoing<'_>) -> bool {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "|");
        let (to, headers) = (text(message.to), text(message.headers));
        self.0.push(format!("{to} {headers}"));
        true
    }

    fn has_interest(&mut self, _: &[u8], _: Option<&[u8]>) -> bool {
        false
    }

    fn dead_letter(&mut self, _: Place, _: &DeadLetter<'_>) {}

    fn begin_batch(&mut self, _: BatchKind) -> bool {
        true
    }

    fn end_batch(&mut self, _: BatchKind) {}

    fn notice(&mut self, _: Notice) {}
}

/// A group with its disks and its time.
struct World {
    disks: [SimDisk; 2],
    group: Group<SimDisk>,
    now: Timestamp,
    sent: Sent,
    wishes: Vec<Wish>,
}

impl World {
    fn new(config: &str, disks: [SimDisk; 2], now: Timestamp) -> Self {
        let mut value = decoded(config);
        value.storage = cognate_model::StorageType::File;
        let options = FileStoreOptions::new(1, 2);
        let (store, _) = FileStore::open(disks[0].clone(), options).expect("a store");
        let journal = Journal::open(disks[1].clone(), "consumers", 1).expect("a journal");
        let specification = Specification {
            config: value,
            account: "$G".to_owned(),
            created: Timestamp(0),
            surroundings: Surroundings::default(),
            store: Some(store),
            journal: Some(journal),
            policy: Policy::Synced,
            seed: 7,
            max_pending: 1 << 20,
        };
        let mut group = Group::new(specification, now).expect("a group");
        group.begin_journal();
        World {
            disks,
            group,
            now,
            sent: Sent::default(),
            wishes: Vec::new(),
        }
    }

    /// One step; with `is_synced` its changes become durable.
    fn step(&mut self, is_synced: bool) {
        let World {
            group, now, sent, ..
        } = self;
        group.handle_timeouts(*now, sent);
        if let Some(work) = group.flush(*now, !is_synced) {
            group.finish_sync(work.run());
        }
        group.advance(*now, sent);
        group.write_journal();
        self.wishes.extend(group.take_wishes());
    }

    /// Lets time pass until the origin is asked, and returns the body of the request.
    fn asked(&mut self) -> (u64, u64, String) {
        for _ in 0..100 {
            self.step(true);
            let asked = self.wishes.drain(..).find_map(|wish| match wish {
                Wish::Ask {
                    origin,
                    attempt,
                    body,
                    ..
                } => Some((origin, attempt, String::from_utf8_lossy(&body).into_owned())),
                _ => None,
            });
            if let Some(asked) = asked {
                return asked;
            }
            self.now = Timestamp(self.now.0 + SECOND / 10);
        }
        panic!("the origin was not asked");
    }

    fn frame(&mut self, sid: &str, subject: &str, reply: &str, headers: &str, payload: &str) {
        let mut frame = Vec::new();
        let reply = Some(reply.as_bytes()).filter(|reply| !reply.is_empty());
        let body = format!("{headers}{payload}");
        let header_len = Some(headers.len());
        write_msg(
            &mut frame,
            subject.as_bytes(),
            sid.as_bytes(),
            reply,
            header_len,
            body.as_bytes(),
        );
        self.group
            .handle_frames(&frame, usize::MAX, self.now, 1, &mut self.sent);
    }

    /// Follows the origin from where it asks to begin, and returns that; and the sid of deliveries.
    fn follow(&mut self) -> (u64, String) {
        let (origin, attempt, body) = self.asked();
        let start = body
            .split_once("\"opt_start_seq\":")
            .map_or(1, |(_, rest)| {
                let end = rest.find(',').expect("more members");
                rest[..end].parse().expect("a number")
            });
        self.answer(origin, attempt, start - 1);
        let sid = format!("O{origin}.{attempt}");
        let listens =
            |wish: &Wish| matches!(wish, Wish::Listen { sid: its, .. } if its == sid.as_bytes());
        assert!(self.wishes.iter().any(listens), "{:?}", self.wishes);
        (start, sid)
    }

    /// The origin has a consumer, which delivers what comes after a sequence.
    fn answer(&mut self, origin: u64, attempt: u64, after: u64) {
        let answer = format!(
            r#"{{"name":"C","config":{{"deliver_subject":"d"}},"delivered":{{"stream_seq":{after}}}}}"#
        );
        self.frame(&format!("Q{origin}.{attempt}"), "r", "", "", &answer);
        self.step(true);
    }

    fn deliver(&mut self, sid: &str, sequence: u64, delivered: u64) {
        let reply = format!("$JS.ACK.O.C.1.{sequence}.{delivered}.5.0");
        self.frame(sid, "o", &reply, "", "x");
    }

    /// The sequences at the origin of what is held, in order.
    fn held(&mut self) -> Vec<u64> {
        let state = self.group.state();
        let sequence = |group: &mut Group<SimDisk>, sequence| {
            let request = GetRequest {
                sequence,
                ..GetRequest::default()
            };
            let message = group.message(&request).ok()?;
            let headers = String::from_utf8_lossy(message.headers).into_owned();
            let (_, rest) = headers.split_once("Nats-Stream-Source: O ")?;
            rest.split(' ').next()?.parse().ok()
        };
        (state.first..=state.last)
            .filter_map(|at| sequence(&mut self.group, at))
            .collect()
    }
}

fn decoded(config: &str) -> StreamConfig {
    json::decode(config.as_bytes()).expect("a configuration").0
}

const SOURCED: &str = r#"{"name":"S","sources":[{"name":"O"}],"max_msg_size":-1}"#;

#[test]
fn flow_control_is_answered_when_what_came_before_is_durable() {
    let mut world = World::new(SOURCED, [1, 2].map(SimDisk::new), Timestamp(SECOND));
    let (start, sid) = world.follow();
    assert_eq!(start, 1);
    world.deliver(&sid, 4, 1);
    world.deliver(&sid, 4, 1);
    let control = "NATS/1.0 100 FlowControl Request\r\n\r\n";
    world.frame(&sid, "d", "fc", control, "");
    world.step(false);
    assert_eq!(world.sent.0, [""; 0]);
    world.step(true);
    let expected = "fc NATS/1.0|Nats-Last-Consumer: 1|Nats-Last-Stream: 4||";
    assert_eq!(world.sent.0, [expected]);
    // After a disk failed, nothing that comes is said to be taken.
    world.disks[0].fail_syncs(true);
    world.deliver(&sid, 5, 2);
    world.step(true);
    world.frame(&sid, "d", "fc", control, "");
    world.step(true);
    assert_eq!(world.sent.0, [expected]);
}

#[test]
fn a_gap_begins_anew_after_what_was_taken() {
    let mut world = World::new(SOURCED, [1, 2].map(SimDisk::new), Timestamp(SECOND));
    let (_, sid) = world.follow();
    world.deliver(&sid, 1, 1);
    world.deliver(&sid, 3, 3);
    world.deliver(&sid, 2, 2);
    let (start, again) = world.follow();
    assert_eq!((start, world.held()), (2, vec![1]));
    // What the first consumer still delivers is of no concern.
    world.deliver(&sid, 2, 2);
    world.deliver(&again, 2, 1);
    let heartbeat = "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 2\r\n\r\n";
    world.frame(&again, "d", "", heartbeat, "");
    let (start, _) = world.follow();
    assert_eq!((start, world.held()), (3, vec![1, 2]));
}

#[test]
fn sources_that_stay_keep_their_positions() {
    let config = |sources: &str| decoded(&format!(r#"{{"name":"S","sources":[{sources}]}}"#));
    let (a, b, c) = (r#"{"name":"A"}"#, r#"{"name":"B"}"#, r#"{"name":"C"}"#);
    let mut positions = Positions::default();
    for (origin, identity) in (1..).zip(["A > >", "B > >", "C > >"]) {
        positions.seal(identity, origin, 9, WriteMark(1));
    }
    positions.release(WriteMark(1), |_| {});
    positions.seal("B > >", 7, 9, WriteMark(2));
    let all = config(&format!("{c},{a},{b}"));
    let mut origins = Origins::new(&all, "$G".into(), String::new(), 1, positions);
    let mut of = |config: &StreamConfig| {
        origins.configure(config);
        let positions = origins.positions();
        ["A > >", "B > >", "C > >"].map(|id| positions.of(id).map(|found| found.origin))
    };
    assert_eq!(of(&all), [Some(1), Some(2), Some(3)]);
    assert_eq!(of(&config(&format!("{b},{a}"))), [Some(1), Some(2), None]);
    assert_eq!(of(&config(a)), [Some(1), None, None]);
    origins.positions().release(WriteMark(2), |_| {});
    assert_eq!(origins.positions().of("B > >"), None);
}

#[test]
fn a_mirror_that_is_ahead_of_its_origin_says_so() {
    let config = r#"{"name":"M","mirror":{"name":"O"},"max_msg_size":-1}"#;
    let mut world = World::new(config, [1, 2].map(SimDisk::new), Timestamp(SECOND));
    let (_, sid) = world.follow();
    world.deliver(&sid, 9, 1);
    world.step(true);
    let disks = world.disks.each_ref().map(SimDisk::kill);
    world = World::new(config, disks, world.now);
    let (origin, attempt, _) = world.asked();
    world.answer(origin, attempt, 3);
    let state = &world.group.origins(world.now)[0];
    let error = state.error.as_ref().map(|error| error.description.as_ref());
    assert_eq!(
        error,
        Some(
            "the mirror is at sequence 9 and its origin at 3; what the origin stores up to 9 is not \
             mirrored"
        )
    );
    let sid = format!("O{origin}.{attempt}");
    world.deliver(&sid, 4, 1);
    world.deliver(&sid, 10, 2);
    assert_eq!(world.group.origins(world.now)[0].error, None);
    let state = world.group.state();
    assert_eq!((state.messages, state.last), (2, 10));
}

#[test]
fn what_is_gone_is_not_taken_again_after_a_restart() {
    let mut world = World::new(SOURCED, [1, 2].map(SimDisk::new), Timestamp(SECOND));
    let (_, sid) = world.follow();
    for at in 1..=5 {
        world.deliver(&sid, at, at);
    }
    world.step(true);
    let World {
        group, now, sent, ..
    } = &mut world;
    let purge = group.start_purge(&PurgeRequest::default(), *now, sent);
    assert!(purge.expect("a purge").is_done());
    world.step(true);
    for at in 0..3 {
        let disks = world.disks.each_ref().map(SimDisk::kill);
        world = World::new(SOURCED, disks, world.now);
        let (start, sid) = world.follow();
        assert_eq!((start, world.held()), (6 + at, (6..6 + at).collect()));
        world.deliver(&sid, 6 + at, 1);
        world.step(true);
    }
}

#[test]
fn nothing_is_lost_or_doubled_when_the_power_goes() {
    for seed in 0..60_u64 {
        let disks = [seed + 1, seed + 1000].map(SimDisk::new);
        let mut world = World::new(SOURCED, disks, Timestamp(SECOND));
        let mut random = seed.wrapping_mul(0x9e37_79b9) | 1;
        let mut draw = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        for _ in 0..6 {
            let (start, sid) = world.follow();
            let held = world.held();
            let last = held.last().copied().unwrap_or(0);
            assert_eq!(start, last + 1, "seed {seed}");
            assert!(held.iter().copied().eq(1..=last), "seed {seed}: {held:?}");
            for at in 0..draw(20) {
                world.deliver(&sid, start + at, at + 1);
                if draw(3) == 0 {
                    world.step(draw(2) == 0);
                }
            }
            let kept = draw(101);
            let disks = world.disks.each_ref().map(|disk| disk.power_loss(kept));
            world = World::new(SOURCED, disks, world.now);
        }
    }
}
