//! The schemas, by their names: `schemas/jetstream/api/v1/x.json` is `io.nats.jetstream.api.v1.x`.

macro_rules! schemas {
    ($($path:literal),* $(,)?) => {
        /// Path without its ending, and text. Sorted.
        const SCHEMAS: &[(&str, &str)] = &[
            $( ($path, include_str!(concat!("../../../../../schemas/", $path, ".json"))), )*
        ];
    };
}

/// The names of all schemas, sorted.
pub(super) fn names() -> impl Iterator<Item = String> {
    SCHEMAS
        .iter()
        .map(|(path, _)| format!("io.nats.{}", path.replace('/', ".")))
}

/// A schema's text.
pub(super) fn find(name: &str) -> Option<&'static str> {
    let path = name.strip_prefix("io.nats.")?.replace('.', "/");
    let at = SCHEMAS
        .binary_search_by_key(&path.as_str(), |(path, _)| path)
        .ok()?;
    SCHEMAS.get(at).map(|(_, text)| *text)
}

schemas![
    "jetstream/advisory/v1/api_audit",
    "jetstream/advisory/v1/api_limit_reached",
    "jetstream/advisory/v1/consumer_action",
    "jetstream/advisory/v1/consumer_group_pinned",
    "jetstream/advisory/v1/consumer_group_unpinned",
    "jetstream/advisory/v1/consumer_leader_elected",
    "jetstream/advisory/v1/consumer_pause",
    "jetstream/advisory/v1/consumer_quorum_lost",
    "jetstream/advisory/v1/domain_leader_elected",
    "jetstream/advisory/v1/max_deliver",
    "jetstream/advisory/v1/nak",
    "jetstream/advisory/v1/restore_complete",
    "jetstream/advisory/v1/restore_create",
    "jetstream/advisory/v1/server_out_of_space",
    "jetstream/advisory/v1/server_removed",
    "jetstream/advisory/v1/snapshot_complete",
    "jetstream/advisory/v1/snapshot_create",
    "jetstream/advisory/v1/stream_action",
    "jetstream/advisory/v1/stream_batch_abandoned",
    "jetstream/advisory/v1/stream_leader_elected",
    "jetstream/advisory/v1/stream_quorum_lost",
    "jetstream/advisory/v1/terminated",
    "jetstream/api/v1/account_info_response",
    "jetstream/api/v1/account_purge_response",
    "jetstream/api/v1/consumer_configuration",
    "jetstream/api/v1/consumer_create_request",
    "jetstream/api/v1/consumer_create_response",
    "jetstream/api/v1/consumer_delete_response",
    "jetstream/api/v1/consumer_getnext_request",
    "jetstream/api/v1/consumer_info_request",
    "jetstream/api/v1/consumer_info_response",
    "jetstream/api/v1/consumer_leader_stepdown_request",
    "jetstream/api/v1/consumer_leader_stepdown_response",
    "jetstream/api/v1/consumer_list_request",
    "jetstream/api/v1/consumer_list_response",
    "jetstream/api/v1/consumer_names_request",
    "jetstream/api/v1/consumer_names_response",
    "jetstream/api/v1/consumer_pause_request",
    "jetstream/api/v1/consumer_pause_response",
    "jetstream/api/v1/consumer_reset_request",
    "jetstream/api/v1/consumer_reset_response",
    "jetstream/api/v1/consumer_unpin_request",
    "jetstream/api/v1/consumer_unpin_response",
    "jetstream/api/v1/meta_leader_stepdown_request",
    "jetstream/api/v1/meta_leader_stepdown_response",
    "jetstream/api/v1/meta_server_remove_request",
    "jetstream/api/v1/meta_server_remove_response",
    "jetstream/api/v1/pub_ack_response",
    "jetstream/api/v1/stream_configuration",
    "jetstream/api/v1/stream_create_request",
    "jetstream/api/v1/stream_create_response",
    "jetstream/api/v1/stream_delete_response",
    "jetstream/api/v1/stream_info_request",
    "jetstream/api/v1/stream_info_response",
    "jetstream/api/v1/stream_leader_stepdown_request",
    "jetstream/api/v1/stream_leader_stepdown_response",
    "jetstream/api/v1/stream_list_request",
    "jetstream/api/v1/stream_list_response",
    "jetstream/api/v1/stream_msg_delete_request",
    "jetstream/api/v1/stream_msg_delete_response",
    "jetstream/api/v1/stream_msg_get_request",
    "jetstream/api/v1/stream_msg_get_response",
    "jetstream/api/v1/stream_names_request",
    "jetstream/api/v1/stream_names_response",
    "jetstream/api/v1/stream_purge_request",
    "jetstream/api/v1/stream_purge_response",
    "jetstream/api/v1/stream_remove_peer_request",
    "jetstream/api/v1/stream_remove_peer_response",
    "jetstream/api/v1/stream_restore_request",
    "jetstream/api/v1/stream_restore_response",
    "jetstream/api/v1/stream_snapshot_request",
    "jetstream/api/v1/stream_snapshot_response",
    "jetstream/api/v1/stream_update_request",
    "jetstream/api/v1/stream_update_response",
    "jetstream/metric/v1/consumer_ack",
    "micro/v1/info_response",
    "micro/v1/ping_response",
    "micro/v1/stats_response",
    "server/advisory/v1/account_connections",
    "server/advisory/v1/client_connect",
    "server/advisory/v1/client_disconnect",
    "server/metric/v1/service_latency",
    "server/monitor/v1/varz",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_found_by_the_names_they_give_themselves() {
        for name in names() {
            let text = find(&name).expect("it is listed");
            assert!(text.contains(&format!("\"title\": \"{name}\"")), "{name}");
        }
        assert_eq!(find("io.nats.unknown"), None);
    }
}
