//! Which operation a subject of the API stands for.

use std::str;

const PREFIX: &str = "$JS.API.";

/// An operation, with the names that its subject gives. Names are single tokens that may still be
/// no valid names: then nothing is found by them, and creation refuses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The fields are what they are called.
pub enum Operation<'a> {
    /// `INFO`: usage and limits of the account.
    AccountInfo,
    /// `STREAM.CREATE`
    StreamCreate { stream: &'a str },
    /// `STREAM.UPDATE`
    StreamUpdate { stream: &'a str },
    /// `STREAM.INFO`
    StreamInfo { stream: &'a str },
    /// `STREAM.NAMES`
    StreamNames,
    /// `STREAM.LIST`
    StreamList,
    /// `STREAM.DELETE`
    StreamDelete { stream: &'a str },
    /// `STREAM.PURGE`
    StreamPurge { stream: &'a str },
    /// `STREAM.SNAPSHOT`
    StreamSnapshot { stream: &'a str },
    /// `STREAM.RESTORE`
    StreamRestore { stream: &'a str },
    /// `STREAM.MSG.GET`
    MessageGet { stream: &'a str },
    /// `STREAM.MSG.DELETE`
    MessageDelete { stream: &'a str },
    /// `STREAM.PEER.REMOVE`
    StreamRemovePeer { stream: &'a str },
    /// `STREAM.LEADER.STEPDOWN`
    StreamStepDown { stream: &'a str },
    /// `DIRECT.GET`
    DirectGet { stream: &'a str },
    /// `DIRECT.GET` with the subject whose last message is asked for.
    DirectGetLast { stream: &'a str, subject: &'a str },
    /// `CONSUMER.CREATE` without a consumer: the old way for ephemeral ones.
    EphemeralCreate { stream: &'a str },
    /// `CONSUMER.DURABLE.CREATE`: the old way for durable ones.
    DurableCreate { stream: &'a str, consumer: &'a str },
    /// `CONSUMER.CREATE` with a consumer, and perhaps its filter.
    ConsumerCreate {
        stream: &'a str,
        consumer: &'a str,
        filter: Option<&'a str>,
    },
    /// `CONSUMER.INFO`
    ConsumerInfo { stream: &'a str, consumer: &'a str },
    /// `CONSUMER.DELETE`
    ConsumerDelete { stream: &'a str, consumer: &'a str },
    /// `CONSUMER.NAMES`
    ConsumerNames { stream: &'a str },
    /// `CONSUMER.LIST`
    ConsumerList { stream: &'a str },
    /// `CONSUMER.MSG.NEXT`: a pull request.
    ConsumerNext { stream: &'a str, consumer: &'a str },
    /// `CONSUMER.PAUSE`
    ConsumerPause { stream: &'a str, consumer: &'a str },
    /// `CONSUMER.UNPIN`
    ConsumerUnpin { stream: &'a str, consumer: &'a str },
    /// `CONSUMER.RESET`
    ConsumerReset { stream: &'a str, consumer: &'a str },
    /// `CONSUMER.LEADER.STEPDOWN`
    ConsumerStepDown { stream: &'a str, consumer: &'a str },
    /// `META.LEADER.STEPDOWN`
    MetaStepDown,
    /// `SERVER.REMOVE`
    ServerRemove,
    /// `ACCOUNT.PURGE`
    AccountPurge { account: &'a str },
    /// `ACCOUNT.STREAM.MOVE`
    StreamMove { account: &'a str, stream: &'a str },
    /// `ACCOUNT.STREAM.CANCEL_MOVE`
    StreamCancelMove { account: &'a str, stream: &'a str },
}

impl<'a> Operation<'a> {
    /// The operation of a literal subject; none if the API has no such subject, or a name in it is
    /// not text. Nobody answers then, as with nats-server.
    #[must_use]
    pub fn parse(subject: &'a [u8]) -> Option<Self> {
        let rest = str::from_utf8(subject).ok()?.strip_prefix(PREFIX)?;
        if rest.split('.').any(str::is_empty) {
            return None;
        }
        let (group, rest) = rest.split_once('.').unwrap_or((rest, ""));
        match group {
            "INFO" if rest.is_empty() => Some(Self::AccountInfo),
            "STREAM" => Self::stream_operation(rest),
            "CONSUMER" => Self::consumer_operation(rest),
            "DIRECT" => Self::direct(rest.strip_prefix("GET.")?),
            "META" if rest == "LEADER.STEPDOWN" => Some(Self::MetaStepDown),
            "SERVER" if rest == "REMOVE" => Some(Self::ServerRemove),
            "ACCOUNT" => Self::account_operation(rest),
            _ => None,
        }
    }

    fn stream_operation(rest: &'a str) -> Option<Self> {
        let mut tokens = rest.rsplitn(2, '.');
        let (stream, verb) = (tokens.next()?, tokens.next());
        match verb {
            None if stream == "NAMES" => Some(Self::StreamNames),
            None if stream == "LIST" => Some(Self::StreamList),
            Some("CREATE") => Some(Self::StreamCreate { stream }),
            Some("UPDATE") => Some(Self::StreamUpdate { stream }),
            Some("INFO") => Some(Self::StreamInfo { stream }),
            Some("DELETE") => Some(Self::StreamDelete { stream }),
            Some("PURGE") => Some(Self::StreamPurge { stream }),
            Some("SNAPSHOT") => Some(Self::StreamSnapshot { stream }),
            Some("RESTORE") => Some(Self::StreamRestore { stream }),
            Some("MSG.GET") => Some(Self::MessageGet { stream }),
            Some("MSG.DELETE") => Some(Self::MessageDelete { stream }),
            Some("PEER.REMOVE") => Some(Self::StreamRemovePeer { stream }),
            Some("LEADER.STEPDOWN") => Some(Self::StreamStepDown { stream }),
            _ => None,
        }
    }

    fn consumer_operation(rest: &'a str) -> Option<Self> {
        if let Some(names) = rest.strip_prefix("CREATE.") {
            return Some(Self::create(names));
        }
        if let Some(names) = rest.strip_prefix("DURABLE.CREATE.") {
            let (stream, consumer) = pair(names)?;
            return Some(Self::DurableCreate { stream, consumer });
        }
        if let Some(stream) = rest.strip_prefix("NAMES.").filter(|name| is_token(name)) {
            return Some(Self::ConsumerNames { stream });
        }
        if let Some(stream) = rest.strip_prefix("LIST.").filter(|name| is_token(name)) {
            return Some(Self::ConsumerList { stream });
        }
        let mut tokens = rest.rsplitn(3, '.');
        let (consumer, stream, verb) = (tokens.next()?, tokens.next()?, tokens.next()?);
        match verb {
            "INFO" => Some(Self::ConsumerInfo { stream, consumer }),
            "DELETE" => Some(Self::ConsumerDelete { stream, consumer }),
            "MSG.NEXT" => Some(Self::ConsumerNext { stream, consumer }),
            "PAUSE" => Some(Self::ConsumerPause { stream, consumer }),
            "UNPIN" => Some(Self::ConsumerUnpin { stream, consumer }),
            "RESET" => Some(Self::ConsumerReset { stream, consumer }),
            "LEADER.STEPDOWN" => Some(Self::ConsumerStepDown { stream, consumer }),
            _ => None,
        }
    }

    fn create(names: &'a str) -> Self {
        let Some((stream, rest)) = names.split_once('.') else {
            return Self::EphemeralCreate { stream: names };
        };
        let (consumer, filter) = match rest.split_once('.') {
            Some((consumer, filter)) => (consumer, Some(filter)),
            None => (rest, None),
        };
        Self::ConsumerCreate {
            stream,
            consumer,
            filter,
        }
    }

    fn direct(rest: &'a str) -> Option<Self> {
        Some(match rest.split_once('.') {
            Some((stream, subject)) => Self::DirectGetLast { stream, subject },
            None => Self::DirectGet { stream: rest },
        })
    }

    fn account_operation(rest: &'a str) -> Option<Self> {
        if let Some(account) = rest.strip_prefix("PURGE.") {
            return is_token(account).then_some(Self::AccountPurge { account });
        }
        if let Some(names) = rest.strip_prefix("STREAM.MOVE.") {
            let (account, stream) = pair(names)?;
            return Some(Self::StreamMove { account, stream });
        }
        let (account, stream) = pair(rest.strip_prefix("STREAM.CANCEL_MOVE.")?)?;
        Some(Self::StreamCancelMove { account, stream })
    }

    /// The `type` of its response; direct reads and pull requests are answered with messages.
    #[must_use]
    pub fn response_type(&self) -> Option<&'static str> {
        Some(match self {
            Self::AccountInfo => "io.nats.jetstream.api.v1.account_info_response",
            Self::StreamCreate { .. } => "io.nats.jetstream.api.v1.stream_create_response",
            Self::StreamUpdate { .. } | Self::StreamMove { .. } | Self::StreamCancelMove { .. } => {
                "io.nats.jetstream.api.v1.stream_update_response"
            }
            Self::StreamInfo { .. } => "io.nats.jetstream.api.v1.stream_info_response",
            Self::StreamNames => "io.nats.jetstream.api.v1.stream_names_response",
            Self::StreamList => "io.nats.jetstream.api.v1.stream_list_response",
            Self::StreamDelete { .. } => "io.nats.jetstream.api.v1.stream_delete_response",
            Self::StreamPurge { .. } => "io.nats.jetstream.api.v1.stream_purge_response",
            Self::StreamSnapshot { .. } => "io.nats.jetstream.api.v1.stream_snapshot_response",
            Self::StreamRestore { .. } => "io.nats.jetstream.api.v1.stream_restore_response",
            Self::MessageGet { .. } => "io.nats.jetstream.api.v1.stream_msg_get_response",
            Self::MessageDelete { .. } => "io.nats.jetstream.api.v1.stream_msg_delete_response",
            Self::StreamRemovePeer { .. } => "io.nats.jetstream.api.v1.stream_remove_peer_response",
            Self::StreamStepDown { .. } => {
                "io.nats.jetstream.api.v1.stream_leader_stepdown_response"
            }
            Self::EphemeralCreate { .. }
            | Self::DurableCreate { .. }
            | Self::ConsumerCreate { .. } => "io.nats.jetstream.api.v1.consumer_create_response",
            Self::ConsumerInfo { .. } => "io.nats.jetstream.api.v1.consumer_info_response",
            Self::ConsumerDelete { .. } => "io.nats.jetstream.api.v1.consumer_delete_response",
            Self::ConsumerNames { .. } => "io.nats.jetstream.api.v1.consumer_names_response",
            Self::ConsumerList { .. } => "io.nats.jetstream.api.v1.consumer_list_response",
            Self::ConsumerPause { .. } => "io.nats.jetstream.api.v1.consumer_pause_response",
            Self::ConsumerUnpin { .. } => "io.nats.jetstream.api.v1.consumer_unpin_response",
            Self::ConsumerReset { .. } => "io.nats.jetstream.api.v1.consumer_reset_response",
            Self::ConsumerStepDown { .. } => {
                "io.nats.jetstream.api.v1.consumer_leader_stepdown_response"
            }
            Self::MetaStepDown => "io.nats.jetstream.api.v1.meta_leader_stepdown_response",
            Self::ServerRemove => "io.nats.jetstream.api.v1.meta_server_remove_response",
            Self::AccountPurge { .. } => "io.nats.jetstream.api.v1.account_purge_response",
            Self::DirectGet { .. } | Self::DirectGetLast { .. } | Self::ConsumerNext { .. } => {
                return None;
            }
        })
    }

    /// Whether only the system account may ask.
    #[must_use]
    pub fn is_system_only(&self) -> bool {
        matches!(
            self,
            Self::MetaStepDown
                | Self::ServerRemove
                | Self::AccountPurge { .. }
                | Self::StreamMove { .. }
                | Self::StreamCancelMove { .. }
        )
    }

    /// Whether it makes sense in a cluster only; a lone server answers
    /// [`CLUSTER_REQUIRED`](cognate_model::error::CLUSTER_REQUIRED) to those of ordinary accounts.
    #[must_use]
    pub fn is_cluster_only(&self) -> bool {
        matches!(
            self,
            Self::StreamRemovePeer { .. }
                | Self::StreamStepDown { .. }
                | Self::ConsumerStepDown { .. }
                | Self::MetaStepDown
                | Self::ServerRemove
                | Self::StreamMove { .. }
                | Self::StreamCancelMove { .. }
        )
    }
}

fn is_token(name: &str) -> bool {
    !name.contains('.')
}

fn pair(names: &str) -> Option<(&str, &str)> {
    names.split_once('.').filter(|(_, second)| is_token(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(subject: &str, expected: Option<Operation<'_>>) {
        let subject = format!("$JS.API.{subject}");
        assert_eq!(Operation::parse(subject.as_bytes()), expected, "{subject}");
    }

    #[test]
    fn subjects_name_operations() {
        use Operation as O;
        let (stream, consumer) = ("S", "C");
        check("INFO", Some(O::AccountInfo));
        check("STREAM.NAMES", Some(O::StreamNames));
        check("STREAM.LIST", Some(O::StreamList));
        check("STREAM.CREATE.S", Some(O::StreamCreate { stream }));
        check("STREAM.MSG.GET.S", Some(O::MessageGet { stream }));
        check(
            "STREAM.LEADER.STEPDOWN.S",
            Some(O::StreamStepDown { stream }),
        );
        check("CONSUMER.CREATE.S", Some(O::EphemeralCreate { stream }));
        let filter = None;
        let create = O::ConsumerCreate {
            stream,
            consumer,
            filter,
        };
        check("CONSUMER.CREATE.S.C", Some(create));
        let filter = Some("a.b.>");
        let create = O::ConsumerCreate {
            stream,
            consumer,
            filter,
        };
        check("CONSUMER.CREATE.S.C.a.b.>", Some(create));
        check(
            "CONSUMER.DURABLE.CREATE.S.C",
            Some(O::DurableCreate { stream, consumer }),
        );
        check(
            "CONSUMER.MSG.NEXT.S.C",
            Some(O::ConsumerNext { stream, consumer }),
        );
        check("CONSUMER.NAMES.S", Some(O::ConsumerNames { stream }));
        check(
            "CONSUMER.LEADER.STEPDOWN.S.C",
            Some(O::ConsumerStepDown { stream, consumer }),
        );
        check("DIRECT.GET.S", Some(O::DirectGet { stream }));
        let subject = "$KV.b.k";
        check(
            "DIRECT.GET.S.$KV.b.k",
            Some(O::DirectGetLast { stream, subject }),
        );
        let account = "A";
        check("ACCOUNT.PURGE.A", Some(O::AccountPurge { account }));
        check(
            "ACCOUNT.STREAM.MOVE.A.S",
            Some(O::StreamMove { account, stream }),
        );
        check("META.LEADER.STEPDOWN", Some(O::MetaStepDown));
        check("SERVER.REMOVE", Some(O::ServerRemove));
    }

    #[test]
    fn other_subjects_do_not() {
        let others = [
            "",
            "FOO",
            "INFO.x",
            "STREAM",
            "STREAM.INFO",
            "STREAM.INFO.a.b",
            "STREAM.NAMES.x",
            "STREAM.INFO.",
            "STREAM..S",
            "CONSUMER.INFO.S",
            "CONSUMER.INFO.S.C.x",
            "CONSUMER",
            "CONSUMER.DURABLE.CREATE.S",
            "CONSUMER.DURABLE.CREATE.S.C.x",
            "CONSUMER.CREATE.S.",
            "CONSUMER.NAMES",
            "CONSUMER.NAMES.S.x",
            "DIRECT.GET",
            "DIRECT.GET.",
            "DIRECT.PUT.S",
            "ACCOUNT.PURGE.A.B",
            "ACCOUNT.STREAM.MOVE.A",
            "META.LEADER",
            "SERVER.REMOVE.x",
            "STREAM.TEMPLATE.NAMES",
        ];
        for subject in others {
            check(subject, None);
        }
        assert_eq!(Operation::parse(b"$JS.D.API.INFO"), None);
        assert_eq!(Operation::parse(b"$JS.API.STREAM.INFO.\xff"), None);
    }
}
