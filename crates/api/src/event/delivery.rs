//! What becomes of single messages.

super::events! {
    /// A message was delivered as often as it may be.
    MaxDeliveries(
        "io.nats.jetstream.advisory.v1.max_deliver",
        "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES", stream, consumer
    ) {
        /// The stream.
        stream: &'a str = "stream",
        /// The consumer.
        consumer: &'a str = "consumer",
        /// The message.
        stream_seq: u64 = "stream_seq",
        /// How often it was delivered.
        deliveries: u64 = "deliveries",
    }

    /// Messages of a stream are damaged and cannot be read. Not one of NATS's own advisories.
    StreamDamaged(
        "io.cognate.jetstream.advisory.v1.stream_damaged",
        "$JS.EVENT.ADVISORY.STREAM.DAMAGED", stream
    ) {
        /// The stream.
        stream: &'a str = "stream",
        /// The first of them.
        first_seq: u64 = "first_seq",
        /// The last of them.
        last_seq: u64 = "last_seq",
    }

    /// A client did not take a message.
    Naked(
        "io.nats.jetstream.advisory.v1.nak",
        "$JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED", stream, consumer
    ) {
        /// The stream.
        stream: &'a str = "stream",
        /// The consumer.
        consumer: &'a str = "consumer",
        /// The delivery.
        consumer_seq: u64 = "consumer_seq",
        /// The message.
        stream_seq: u64 = "stream_seq",
        /// How often it was delivered.
        deliveries: u64 = "deliveries",
    }

    /// A client does not want a message again.
    Terminated(
        "io.nats.jetstream.advisory.v1.terminated",
        "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED", stream, consumer
    ) {
        /// The stream.
        stream: &'a str = "stream",
        /// The consumer.
        consumer: &'a str = "consumer",
        /// The delivery.
        consumer_seq: u64 = "consumer_seq",
        /// The message.
        stream_seq: u64 = "stream_seq",
        /// How often it was delivered.
        deliveries: u64 = "deliveries",
        /// Why, in the client's words.
        reason: &'a str = "reason" omit,
    }

    /// A metric: a message was acknowledged.
    Acknowledged(
        "io.nats.jetstream.metric.v1.consumer_ack",
        "$JS.EVENT.METRIC.CONSUMER.ACK", stream, consumer
    ) {
        /// The stream.
        stream: &'a str = "stream",
        /// The consumer.
        consumer: &'a str = "consumer",
        /// The delivery.
        consumer_seq: u64 = "consumer_seq",
        /// The message.
        stream_seq: u64 = "stream_seq",
        /// Nanoseconds since its first delivery.
        ack_time: i64 = "ack_time",
        /// How often it was delivered.
        deliveries: u64 = "deliveries",
    }

    /// A batch of messages was given up.
    BatchAbandoned(
        "io.nats.jetstream.advisory.v1.stream_batch_abandoned",
        "$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED", stream
    ) {
        /// The account.
        account: &'a str = "account" omit,
        /// The stream.
        stream: &'a str = "stream",
        /// The batch's id.
        batch: &'a str = "batch",
        /// `timeout`, `large`, `incomplete` or `unsupported`.
        reason: &'a str = "reason",
    }
}
