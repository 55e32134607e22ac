//! Records written and read back, and every bit of them flipped.

use cognate_model::NewMessage;

use super::*;

fn message(deadline: bool) -> NewMessage<'static> {
    NewMessage {
        timestamp: Timestamp(77),
        subject: b"a.b.c",
        headers: b"NATS/1.0\r\nA: b\r\n\r\n",
        payload: b"payload",
        deadline: deadline.then_some(Deadline {
            at: Timestamp(99),
            kind: DeadlineKind::Expire,
        }),
        has_id: true,
    }
}

#[test]
fn messages_come_back_and_a_flipped_bit_never_passes() {
    for deadline in [false, true] {
        let message = message(deadline);
        let mut bytes = Vec::new();
        put_message(&mut bytes, 5, 12, &message);
        assert_eq!(bytes.len() % ALIGN, 0);
        let len = checked_len(&message).expect("it is short");
        let Decoded::Message { head, body, .. } = decode(&bytes, 5) else {
            panic!("it is a message");
        };
        let body = body.expect("its sum is right");
        assert_eq!(
            (head.sequence, head.has_id, head.deadline),
            (12, true, message.deadline)
        );
        assert_eq!(
            (body.subject, body.headers),
            (message.subject, message.headers)
        );
        assert_eq!(
            (body.payload, body.timestamp),
            (message.payload, message.timestamp)
        );
        assert_eq!(
            decode(&bytes, 6),
            Decoded::Invalid,
            "another segment's salt"
        );
        for bit in 0..len * 8 {
            let mut harmed = bytes.clone();
            harmed[bit / 8] ^= 1 << (bit % 8);
            match decode(&harmed, 5) {
                Decoded::Message {
                    head: left, body, ..
                } => {
                    assert_eq!((left, body), (head, None), "bit {bit}");
                }
                Decoded::Folded { .. } | Decoded::Control { .. } => {
                    panic!("bit {bit} makes something else of it")
                }
                Decoded::Invalid => assert!(!head_is_right(&harmed, 5), "bit {bit}"),
            }
        }
    }
}

#[test]
fn controls_come_back_and_a_flipped_bit_never_passes() {
    let (sequence, time) = (9, Timestamp(-4));
    let deadline = message(true).deadline;
    let controls = [
        Control::Remove {
            sequence,
            erase: false,
        },
        Control::Remove {
            sequence,
            erase: true,
        },
        Control::Floor { sequence },
        Control::Skip {
            next: sequence,
            time,
        },
        Control::Deadline { sequence, deadline },
        Control::Deadline {
            sequence,
            deadline: None,
        },
        Control::Synced { offset: 640 },
    ];
    for control in controls {
        let mut bytes = Vec::new();
        put_control(&mut bytes, 5, control);
        let len = bytes.len();
        assert_eq!(decode(&bytes, 5), Decoded::Control { control, len });
        for bit in 0..len * 8 {
            let mut harmed = bytes.clone();
            harmed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                decode(&harmed, 5),
                Decoded::Invalid,
                "{control:?}, bit {bit}"
            );
        }
    }
    let bytes = erased(5, sequence, time, 100);
    let control = Control::Erased { sequence, time };
    assert_eq!(decode(&bytes, 5), Decoded::Control { control, len: 100 });
}

#[test]
fn whatever_stands_there_is_read_without_a_panic() {
    let mut random = 1_u64;
    for _ in 0..20_000 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let mut bytes = random.to_le_bytes().repeat((random >> 60) as usize);
        if let Some(magic) = bytes.get_mut(4..8) {
            magic.copy_from_slice(&[0x6A, 0xC0, (random >> 33) as u8 % 9, (random >> 40) as u8]);
        }
        assert_eq!(decode(&bytes, 0), Decoded::Invalid);
        assert!(!head_is_right(&bytes, 0));
    }
}
