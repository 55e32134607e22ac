//! What commands share: bodies, headers, templates, how messages and JetStream's things are shown,
//! which of them is meant.

pub(crate) mod body;
pub(crate) mod buckets;
pub(crate) mod cluster;
pub(crate) mod configured;
pub(crate) mod describe;
pub(crate) mod diff;
pub(crate) mod doc;
pub(crate) mod editor;
pub(crate) mod expr;
pub(crate) mod file;
pub(crate) mod grid;
pub(crate) mod headers;
pub(crate) mod live;
pub(crate) mod pick;
pub(crate) mod random;
pub(crate) mod screen;
pub(crate) mod show;
pub(crate) mod subjects;
pub(crate) mod switches;
pub(crate) mod template;
pub(crate) mod translate;
