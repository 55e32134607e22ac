//! Settings with a fixed set of values, each written as a word.

use serde::{Serialize, Serializer};

use crate::json::{Decode, DecodeError, Decoder, IsEmpty, Json};

macro_rules! choice {
    (
        $(#[$meta:meta])*
        $name:ident($refuse:path) {
            $( $(#[$variant_meta:meta])* $variant:ident = $word:literal $(| $also:literal)* ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub enum $name {
            $( $(#[$variant_meta])* $variant, )*
        }

        impl $name {
            /// The word it is written as.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $( Self::$variant => $word, )*
                }
            }

            /// The value for a word of a request, if there is one.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $( $word $(| $also)* => Some(Self::$variant), )*
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl IsEmpty for $name {
            fn is_empty(&self) -> bool {
                *self == Self::default()
            }
        }

        impl Decode for $name {
            const GO_TYPE: &'static str = concat!("server.", stringify!($name));

            fn decode_into(&mut self, value: &Json, decoder: &mut Decoder) {
                let word = match value {
                    Json::String(word) => Self::from_word(word),
                    _ => None,
                };
                match word {
                    Some(found) => *self = found,
                    None => ($refuse)(value, decoder),
                }
            }
        }
    };
}

/// Most types show the JSON, quoted once more.
fn quoted(value: &Json, decoder: &mut Decoder) {
    let shown = crate::text::quoted(&crate::json::to_string(value));
    decoder.fail(DecodeError::new(format!("can not unmarshal {shown}")));
}

fn priority_policy(value: &Json, decoder: &mut Decoder) {
    let shown = crate::json::to_string(value);
    decoder.fail(DecodeError::new(format!(
        "unknown priority policy: {shown}"
    )));
}

fn compression(value: &Json, decoder: &mut Decoder) {
    if matches!(value, Json::String(_) | Json::Null) {
        decoder.fail(DecodeError::new("unknown compression algorithm"));
    } else {
        decoder.mismatch(value, "string");
    }
}

choice! {
    /// When a stream may let a message go.
    RetentionPolicy(quoted) {
        /// When a limit asks for it.
        #[default]
        Limits = "limits",
        /// Also when every interested consumer has acknowledged it.
        Interest = "interest",
        /// Also when one consumer has acknowledged it.
        WorkQueue = "workqueue",
    }
}

choice! {
    /// What gives way when a stream is full.
    DiscardPolicy(quoted) {
        /// The oldest messages.
        #[default]
        Old = "old" | "OLD" | "Old",
        /// The new message.
        New = "new" | "NEW" | "New",
    }
}

choice! {
    /// Where messages are kept.
    StorageType(quoted) {
        /// On disk.
        #[default]
        File = "file",
        /// In memory.
        Memory = "memory",
    }
}

choice! {
    /// How stored messages are compressed.
    Compression(compression) {
        /// Not at all.
        #[default]
        None = "none",
        /// With S2.
        S2 = "s2",
    }
}

choice! {
    /// Whether a publish may be acknowledged before it is on disk.
    PersistMode(quoted) {
        /// It may not.
        #[default]
        Default = "default" | "",
        /// It may.
        Async = "async",
    }
}

choice! {
    /// With which message a consumer begins.
    DeliverPolicy(quoted) {
        /// The first there is.
        #[default]
        All = "all" | "undefined",
        /// The last there is.
        Last = "last",
        /// The first that comes after the consumer's creation.
        New = "new",
        /// The one at a sequence.
        ByStartSequence = "by_start_sequence",
        /// The first at a time or later.
        ByStartTime = "by_start_time",
        /// The last of each subject.
        LastPerSubject = "last_per_subject",
    }
}

choice! {
    /// How messages are acknowledged.
    AckPolicy(quoted) {
        /// Not at all.
        #[default]
        None = "none",
        /// One acknowledgement is for all messages before it, too.
        All = "all",
        /// Each by itself.
        Explicit = "explicit",
        /// As `all`, by the answers to flow control requests.
        FlowControl = "flow_control",
    }
}

choice! {
    /// At what pace stored messages are delivered.
    ReplayPolicy(quoted) {
        /// As fast as they are taken.
        #[default]
        Instant = "instant",
        /// With the pauses they came with.
        Original = "original",
    }
}

choice! {
    /// How waiting pull requests compete.
    PriorityPolicy(priority_policy) {
        /// In turn.
        #[default]
        None = "none",
        /// Some are only served when there is enough to do.
        Overflow = "overflow",
        /// One client gets everything.
        PinnedClient = "pinned_client",
        /// The lowest priority number first.
        Prioritized = "prioritized",
    }
}
