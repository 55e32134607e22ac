//! Who can lead an answer back to a requester: whoever was asked, once, and nobody who guesses.

use std::collections::HashSet;

use super::*;

/// An import of the service `q`.
pub(in crate::data) fn service(response: ResponseType) -> Arc<Service> {
    Arc::new(Service {
        to: Arc::new(Account::new(2, "EXPORTER", 2, &Arc::default())),
        renaming: Renaming::new(b"q", b"q", None, None),
        share: false,
        to_system: false,
        response,
        threshold: Duration::from_secs(5),
        latency: None,
        allow_trace: false,
    })
}

/// Requests of one account to another that may still be answered.
struct Asked {
    answers: Answers,
    service: Arc<Service>,
    to: Arc<Account>,
}

impl Asked {
    fn new(response: ResponseType) -> Self {
        Asked {
            answers: Answers::default(),
            service: service(response),
            to: Arc::new(Account::new(1, "IMPORTER", 1, &Arc::default())),
        }
    }

    /// Asks once; returns the reply subject that the service sees.
    fn ask(&self) -> Vec<u8> {
        let open = Open {
            to: Arc::clone(&self.to),
            reply: ReplySubject::from(&b"inbox"[..]),
            service: Arc::clone(&self.service),
            measured: None,
            at: Duration::ZERO,
        };
        let mut reply = Vec::new();
        let prefix = self.answers.prefix(|_| ());
        self.answers.open(open, prefix, &mut reply);
        reply
    }

    /// Whether an answer of `payload` bytes to `subject` reaches who asked, after `seconds`.
    fn reaches(&self, subject: &[u8], payload: usize, seconds: u64) -> bool {
        let now = Duration::from_secs(seconds);
        let answered = self.answers.take(subject, payload, now);
        answered.is_some_and(|answered| *answered.reply == *b"inbox")
    }
}

/// The number in a reply subject.
fn token(subject: &[u8]) -> u64 {
    read_token(&subject[subject.len() - 11..]).expect("eleven digits")
}

#[test]
fn reply_subjects_cannot_be_foretold_from_others() {
    let [one, other] = [(); 2].map(|()| Asked::new(ResponseType::Singleton));
    let seen: Vec<Vec<u8>> = (0..1000).map(|_| one.ask()).collect();
    let tokens: Vec<u64> = seen.iter().map(|subject| token(subject)).collect();
    let unique: HashSet<_> = tokens.iter().collect();
    assert_eq!(unique.len(), tokens.len());
    // No counter, whatever its step: no two steps are alike.
    let steps: HashSet<_> = tokens
        .windows(2)
        .map(|two| two[1].wrapping_sub(two[0]))
        .collect();
    assert_eq!(steps.len(), tokens.len() - 1);
    // Another account with the same history has none of them, nor the same beginning.
    let elsewhere: Vec<Vec<u8>> = (0..1000).map(|_| other.ask()).collect();
    assert!(
        elsewhere
            .iter()
            .all(|subject| !unique.contains(&token(subject)))
    );
    assert_ne!(one.answers.prefix(|_| ()), other.answers.prefix(|_| ()));
}

#[test]
fn a_reply_subject_that_was_not_given_out_leads_nowhere() {
    let asked = Asked::new(ResponseType::Singleton);
    let given = asked.ask();
    let begin = given.len() - 11;
    for at in begin..given.len() {
        for digit in DIGITS.iter().chain(b".*> _") {
            let mut guess = given.clone();
            if std::mem::replace(&mut guess[at], *digit) != *digit {
                assert!(!asked.reaches(&guess, 5, 0), "{at}");
            }
        }
    }
    for guess in [
        &given[..begin],
        &given[..given.len() - 1],
        &[&given[..], b"0"].concat(),
    ] {
        assert!(!asked.reaches(guess, 5, 0));
    }
    let mut dead_end = Vec::new();
    asked.answers.write_dead_end(&mut dead_end);
    assert_eq!(dead_end.len(), given.len(), "it looks like the others");
    assert!(!asked.reaches(&dead_end, 5, 0));
    assert!(asked.reaches(&given, 5, 0), "guessing has closed nothing");
}

#[test]
fn a_way_back_serves_as_often_as_the_service_answers_and_not_for_ever() {
    let asked = Asked::new(ResponseType::Singleton);
    let given = asked.ask();
    assert!(asked.reaches(&given, 5, 5));
    assert!(!asked.reaches(&given, 5, 5), "one answer");
    let late = asked.ask();
    assert!(!asked.reaches(&late, 5, 6), "after the threshold");
    let asked = Asked::new(ResponseType::Streamed);
    let given = asked.ask();
    let answers = [(5, 5), (5, 10), (0, 15)].map(|(size, at)| asked.reaches(&given, size, at));
    assert_eq!(answers, [true; 3], "each answer gives it more time");
    assert!(!asked.reaches(&given, 5, 15), "an empty one was the last");
}

#[test]
fn every_number_comes_back_from_its_digits() {
    for number in [0, 1, 61, 62, 1 << 40, u64::MAX - 1, u64::MAX] {
        let mut digits = Vec::new();
        write_token(&mut digits, number, 11);
        assert_eq!(read_token(&digits), Some(number));
    }
    for wrong in [
        &b""[..],
        b"0",
        b"000000000000",
        b"zzzzzzzzzzz",
        b"0000000000.",
    ] {
        assert_eq!(read_token(wrong), None, "{wrong:?}");
    }
}
