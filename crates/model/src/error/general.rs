//! Errors about requests, accounts, limits and clusters.
//!
//! A table: numbers and texts are nats-server's and are matched on by clients.

use super::catalogue;

catalogue! {
    ACCOUNT_RESOURCES_EXCEEDED = 400, 10002, "resource limits exceeded for account";
    BAD_REQUEST = 400, 10003, "bad request";
    CLUSTER_INCOMPLETE = 503, 10004, "incomplete results";
    cluster_no_peers(err) = 400, 10005, "{err}";
    CLUSTER_NOT_ACTIVE = 500, 10006, "JetStream not in clustered mode";
    CLUSTER_NOT_ASSIGNED = 500, 10007, "JetStream cluster not assigned to this server";
    CLUSTER_NOT_AVAIL = 503, 10008, "JetStream system temporarily unavailable";
    CLUSTER_NOT_LEADER = 500, 10009, "JetStream cluster can not handle request";
    CLUSTER_REQUIRED = 503, 10010, "JetStream clustering support required";
    CLUSTER_TAGS = 400, 10011, "tags placement not supported for operation";
    INSUFFICIENT_RESOURCES = 503, 10023, "insufficient resources";
    invalid_json(err) = 400, 10025, "invalid JSON: {err}";
    MAXIMUM_CONSUMERS_LIMIT = 400, 10026, "maximum consumers limit reached";
    MAXIMUM_STREAMS_LIMIT = 400, 10027, "maximum number of streams reached";
    MEMORY_RESOURCES_EXCEEDED = 500, 10028, "insufficient memory resources available";
    NO_ACCOUNT = 503, 10035, "account not found";
    CLUSTER_UNSUPPORT_FEATURE = 503, 10036, "not currently supported in clustered mode";
    NOT_EMPTY_REQUEST = 400, 10038, "expected an empty request payload";
    NOT_ENABLED_FOR_ACCOUNT = 503, 10039, "JetStream not enabled for account";
    CLUSTER_PEER_NOT_MEMBER = 400, 10040, "peer not a member";
    raft_general(err) = 500, 10041, "{err}";
    CLUSTER_SERVER_NOT_MEMBER = 400, 10044, "server is not a member of the cluster";
    STORAGE_RESOURCES_EXCEEDED = 500, 10047, "insufficient storage resources available";
    NOT_ENABLED = 503, 10076, "JetStream not enabled";
    NO_LIMITS = 400, 10120, "no JetStream default or applicable tiered limit present";
    REPLICAS_COUNT_CANNOT_BE_NEGATIVE = 400, 10133, "replicas count cannot be negative";
    pedantic(err) = 400, 10157, "pedantic mode: {err}";
    REQUIRED_API_LEVEL = 412, 10185, "JetStream minimum api level required";
    CLUSTER_SERVER_MEMBER_CHANGE_INFLIGHT = 400, 10202, "cluster member change is in progress";
}
