//! JSON as nats-server reads and writes it.
//!
//! Owns the rules that serde's derives do not give: field names are found whatever their case, the
//! last of several wins, `null` leaves the default, unknown fields are collected so that a caller may
//! refuse them, the first fault in document order is the one told, and `<`, `>` and `&` are written
//! as escapes. A type is listed once, in [`record!`](crate::record), for both directions.
//!
//! Called by the configurations of this crate and by the requests of the API. Invariants: no input
//! panics; depth is bounded by serde_json; decoding allocates in proportion to the input.
//!
//! Absent: which fields exist, and whether their values make sense.

mod decode;
mod encode;
mod syntax;
mod value;

pub use decode::{Decode, DecodeError, Decoder, Record, Unknown, decode, decode_request};
pub use encode::{IsEmpty, to_string, to_vec, write_string};
pub use value::Json;

/// Declares a struct that is a JSON object, with its members in the order they are written in.
///
/// `record! { /// Docs. pub struct Name("GoName") { /// Docs. field: Type = "json_name" omit, } }`
/// derives `Clone, Debug, Default, PartialEq` and implements `Serialize`, [`Record`](crate::json::Record)
/// and [`Decode`](crate::json::Decode). With `omit`, an empty value is not written. The name in
/// parentheses is that of the type in the Go server; it appears in error texts.
#[macro_export]
macro_rules! record {
    (
        $(#[$meta:meta])*
        pub struct $name:ident($go:literal) {
            $( $(#[$field_meta:meta])* $field:ident: $type:ty = $json:literal $($omit:ident)? ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $type, )*
        }

        impl $crate::json::Record for $name {
            const GO_NAME: &'static str = $go;

            fn decode_field(
                &mut self,
                name: &str,
                value: &$crate::json::Json,
                decoder: &mut $crate::json::Decoder,
            ) -> bool {
                $(
                    if name.eq_ignore_ascii_case($json) {
                        decoder.field($json, value, &mut self.$field);
                        return true;
                    }
                )*
                let _ = (value, decoder);
                false
            }
        }

        impl $crate::json::Decode for $name {
            const GO_TYPE: &'static str = concat!("server.", $go);

            fn decode_into(
                &mut self,
                value: &$crate::json::Json,
                decoder: &mut $crate::json::Decoder,
            ) {
                decoder.record(value, self);
            }
        }

        impl $crate::json::IsEmpty for $name {
            fn is_empty(&self) -> bool {
                false
            }
        }

        impl $crate::serde::Serialize for $name {
            fn serialize<S: $crate::serde::Serializer>(
                &self,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                #[allow(unused_imports)]
                use $crate::serde::ser::SerializeMap as _;
                let mut map = serializer.serialize_map(None)?;
                $(
                    if !$crate::record!(@omit self.$field; $($omit)?) {
                        map.serialize_entry($json, &self.$field)?;
                    }
                )*
                map.end()
            }
        }
    };
    (@omit $self:ident.$field:ident;) => { false };
    (@omit $self:ident.$field:ident; omit) => { $crate::json::IsEmpty::is_empty(&$self.$field) };
}
