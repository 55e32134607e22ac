//! What an import says of each stream.

use cognate_gostore::{Lost, Report};

/// Lines for people, and how the import as a whole went.
pub(super) struct Teller<'a> {
    say: &'a mut dyn FnMut(&str),
    taken: usize,
    damaged: usize,
    skipped: usize,
}

impl<'a> Teller<'a> {
    pub(super) fn new(say: &'a mut dyn FnMut(&str)) -> Self {
        Teller {
            say,
            taken: 0,
            damaged: 0,
            skipped: 0,
        }
    }

    pub(super) fn line(&mut self, line: &str) {
        (self.say)(line);
    }

    /// A stream or an account that was left out.
    pub(super) fn skipped(&mut self, what: &str, reason: &str) {
        self.skipped += 1;
        self.line(&format!("{what}: skipped: {reason}"));
    }

    /// A stream that was taken, with what of it could not be.
    pub(super) fn taken(&mut self, what: &str, report: &Report) {
        self.taken += 1;
        self.damaged += usize::from(!report.is_whole());
        self.line(&format!(
            "{what}: took {}, {}; the next sequence is {}",
            count(report.messages, "message"),
            count(report.consumers, "consumer"),
            report.last.saturating_add(1)
        ));
        self.details(report);
    }

    /// A stream of which nothing could be taken.
    pub(super) fn unreadable(&mut self, what: &str, report: &Report) {
        if report.damage.is_empty() {
            self.skipped += 1;
        } else {
            self.damaged += 1;
        }
        self.line(&format!("{what}: nothing could be taken"));
        self.details(report);
    }

    fn details(&mut self, report: &Report) {
        for lost in &report.lost {
            self.line(&format!("  lost: {}", words(lost)));
        }
        if report.lost_more > 0 {
            self.line(&format!("  lost: {} more ranges", report.lost_more));
        }
        let lines = [
            ("damaged", &report.damage),
            ("skipped", &report.skipped),
            ("note", &report.notes),
        ];
        for (kind, texts) in lines {
            for text in texts {
                self.line(&format!("  {kind}: {text}"));
            }
        }
    }

    /// Says how it went; returns whether everything was taken.
    pub(super) fn end(mut self) -> bool {
        let (taken, damaged, skipped) = (self.taken, self.damaged, self.skipped);
        let streams = count(taken as u64, "stream");
        self.line(&format!(
            "Imported {streams}; {damaged} with damage or parts left out, {skipped} skipped"
        ));
        damaged == 0 && skipped == 0
    }
}

fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn words(lost: &Lost) -> String {
    let which = if lost.first == lost.last {
        format!("message {}", lost.first)
    } else {
        format!("messages {} to {}", lost.first, lost.last)
    };
    if lost.is_exact {
        which
    } else {
        format!("{which}, as far as they were there")
    }
}
