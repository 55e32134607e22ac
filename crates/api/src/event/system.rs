//! What happens to servers and their API.

use cognate_model::{Nanos, Timestamp, record};

record! {
    /// Who asked.
    pub struct ClientInfo("ClientInfo") {
        /// Since when it is connected.
        start: Option<Timestamp> = "start" omit,
        /// Its address.
        host: String = "host" omit,
        /// Its number on the server.
        id: u64 = "id" omit,
        /// Its account.
        acc: String = "acc" omit,
        /// The account whose service it uses.
        svc: String = "svc" omit,
        /// Who it logged in as.
        user: String = "user" omit,
        /// What it calls itself.
        name: String = "name" omit,
        /// Its library's language.
        lang: String = "lang" omit,
        /// Its library's version.
        ver: String = "ver" omit,
        /// Its round trip time.
        rtt: Nanos = "rtt" omit,
        /// The server it is connected to.
        server: String = "server" omit,
        /// The cluster of that server.
        cluster: String = "cluster" omit,
        /// Other clusters that could serve it.
        alts: Vec<String> = "alts" omit,
        /// When it left.
        stop: Option<Timestamp> = "stop" omit,
        /// Its claims.
        jwt: String = "jwt" omit,
        /// Who signed them.
        issuer_key: String = "issuer_key" omit,
        /// The name in them.
        name_tag: String = "name_tag" omit,
        /// The tags in them.
        tags: Vec<String> = "tags" omit,
        /// `Client`, `Leafnode`, ….
        kind: String = "kind" omit,
        /// `nats`, `mqtt` or `websocket`.
        client_type: String = "client_type" omit,
        /// Its id as an MQTT client.
        client_id: String = "client_id" omit,
    }
}

super::events! {
    /// Someone used the API.
    ApiAudit(
        "io.nats.jetstream.advisory.v1.api_audit",
        "$JS.EVENT.ADVISORY.API"
    ) {
        /// The server's name.
        server: &'a str = "server",
        /// Who it was.
        client: &'a ClientInfo = "client",
        /// The subject asked.
        subject: &'a str = "subject",
        /// What was asked.
        request: &'a str = "request" omit,
        /// What was answered.
        response: &'a str = "response",
    }

    /// There are more requests than the server can take.
    ApiLimitReached(
        "io.nats.jetstream.advisory.v1.api_limit_reached",
        "$JS.EVENT.ADVISORY.API.LIMIT_REACHED"
    ) {
        /// The server's name.
        server: &'a str = "server",
        /// How many requests were dropped.
        dropped: u64 = "dropped",
    }

    /// There is no room left on a server.
    ServerOutOfStorage(
        "io.nats.jetstream.advisory.v1.server_out_of_space",
        "$JS.EVENT.ADVISORY.SERVER.OUT_OF_STORAGE"
    ) {
        /// The server's name.
        server: &'a str = "server",
        /// The server's id.
        server_id: &'a str = "server_id",
        /// The stream that found out.
        stream: &'a str = "stream" omit,
        /// The server's cluster.
        cluster: &'a str = "cluster",
    }

    /// A server was removed from its cluster.
    ServerRemoved(
        "io.nats.jetstream.advisory.v1.server_removed",
        "$JS.EVENT.ADVISORY.SERVER.REMOVED"
    ) {
        /// The server's name.
        server: &'a str = "server",
        /// The server's id.
        server_id: &'a str = "server_id",
        /// The cluster.
        cluster: &'a str = "cluster",
    }
}
