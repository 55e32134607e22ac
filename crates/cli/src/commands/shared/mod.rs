//! What commands that handle messages share: bodies, headers, templates, how a message is shown.

pub(crate) mod body;
pub(crate) mod buckets;
pub(crate) mod editor;
pub(crate) mod headers;
pub(crate) mod show;
pub(crate) mod subjects;
pub(crate) mod template;
pub(crate) mod translate;
