//! A pass's way for messages that are traced.

use super::*;

impl<D: Door> Pass<'_, D> {
    /// What the client's account does with messages whose trace context says that they are sampled.
    pub(super) fn context(&mut self) -> Context {
        let spec = self.account.spec();
        let Some(trace) = &spec.trace else {
            return Context::Untraced;
        };
        let draw = ((u128::from(next_random(self.random)) * 100) >> 64) as u8;
        if draw >= trace.sampling {
            return Context::Unsampled;
        }
        Context::Traced(trace.subject.as_bytes().to_vec())
    }

    /// Does for a message that is traced what [`deliver`](Pass::deliver) does for others.
    #[cold]
    pub(super) fn deliver_traced(&mut self, message: &Publish<'_>, echo: bool) -> bool {
        let Some(mut trace) = self.trace.take() else {
            return self.deliver(message.subject, message, echo);
        };
        let subject = message.subject;
        let slot = self.look_up(subject);
        let mut withheld = Vec::new();
        self.interest
            .get_or_insert_with(|| self.account.interest())
            .collect_withheld(subject, &mut withheld);
        // Deliveries are counted one by one from here on.
        self.cache.settle_last();
        let mut tail = std::mem::take(&mut self.tail);
        let frame = Frame::of(message, subject, self.input, &mut tail);
        let mut delivery = Delivery {
            own: Some(self.own),
            account: self.account,
            stages: self.stages,
            ended: &mut self.ended,
            full: None,
            routed: subject,
            imported: false,
            frame: &frame,
            message,
            watch: &*self.door,
            echo,
            drop_for_stalled: self.drop_for_stalled,
        };
        let matched = self.cache.matched(slot);
        let delivered = delivery.deliver_traced(matched, &withheld, self.random, &mut trace);
        let full = delivery.full;
        self.tail = tail;
        let onward = !self.cache.matched(slot).tied().is_empty();
        self.trace = Some(trace);
        let followed = onward && self.follow(slot, subject, message, echo);
        if let Some(index) = full {
            self.relieve(index);
        }
        delivered || followed
    }
}
