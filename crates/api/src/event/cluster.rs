//! Who leads, and who is missing.

use crate::PeerInfo;

super::events! {
    /// A domain has a new leader.
    DomainLeaderElected(
        "io.nats.jetstream.advisory.v1.domain_leader_elected",
        "$JS.EVENT.ADVISORY.DOMAIN.LEADER_ELECTED"
    ) {
        /// The leader.
        leader: &'a str = "leader",
        /// All servers.
        replicas: &'a [PeerInfo] = "replicas",
        /// The leader's cluster.
        cluster: &'a str = "cluster",
    }

    /// A stream has a new leader.
    StreamLeaderElected(
        "io.nats.jetstream.advisory.v1.stream_leader_elected",
        "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED", stream
    ) {
        /// The account.
        account: &'a str = "account" omit,
        /// The stream.
        stream: &'a str = "stream",
        /// The leader.
        leader: &'a str = "leader",
        /// All its servers.
        replicas: &'a [PeerInfo] = "replicas",
    }

    /// Too few of a stream's servers are there.
    StreamQuorumLost(
        "io.nats.jetstream.advisory.v1.stream_quorum_lost",
        "$JS.EVENT.ADVISORY.STREAM.QUORUM_LOST", stream
    ) {
        /// The account.
        account: &'a str = "account" omit,
        /// The stream.
        stream: &'a str = "stream",
        /// All its servers.
        replicas: &'a [PeerInfo] = "replicas",
    }

    /// A consumer has a new leader.
    ConsumerLeaderElected(
        "io.nats.jetstream.advisory.v1.consumer_leader_elected",
        "$JS.EVENT.ADVISORY.CONSUMER.LEADER_ELECTED", stream, consumer
    ) {
        /// The account.
        account: &'a str = "account" omit,
        /// The stream.
        stream: &'a str = "stream",
        /// The consumer.
        consumer: &'a str = "consumer",
        /// The leader.
        leader: &'a str = "leader",
        /// All its servers.
        replicas: &'a [PeerInfo] = "replicas",
    }

    /// Too few of a consumer's servers are there.
    ConsumerQuorumLost(
        "io.nats.jetstream.advisory.v1.consumer_quorum_lost",
        "$JS.EVENT.ADVISORY.CONSUMER.QUORUM_LOST", stream, consumer
    ) {
        /// The account.
        account: &'a str = "account" omit,
        /// The stream.
        stream: &'a str = "stream",
        /// The consumer.
        consumer: &'a str = "consumer",
        /// All its servers.
        replicas: &'a [PeerInfo] = "replicas",
    }
}
