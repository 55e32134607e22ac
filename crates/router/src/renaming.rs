//! What an imported subject is called in the account that exports it, and in the one that imports it.
//!
//! ```text
//! exporter   orders.*.*.>        local   in.$2.from.$1.>
//! orders.eu.new.7          ◀──────────▶  in.new.from.eu.7
//! ```
//!
//! A renaming moves whole tokens and loses none, so it works in both directions and for filters as
//! well as for subjects. Stream imports use it from the exporter's side (a message comes in under
//! its local name) and to know which of the exporter's subjects a local filter asks for; service
//! imports use it towards the exporter. The caller has matched a subject before it renames it.

use cognate_subject::Transform;

/// The two names of imported messages.
#[derive(Clone, Debug)]
pub struct Renaming {
    exporter: Box<[u8]>,
    local: Box<[u8]>,
    to_local: Option<Transform>,
    to_exporter: Option<Transform>,
}

impl Renaming {
    /// The renaming of `exporter` to `local`, both filters. A transform is needed in each direction
    /// in which a name is not simply the other filter itself.
    pub fn new(
        exporter: &[u8],
        local: &[u8],
        to_local: Option<Transform>,
        to_exporter: Option<Transform>,
    ) -> Self {
        Renaming {
            exporter: exporter.into(),
            local: local.into(),
            to_local,
            to_exporter,
        }
    }

    /// The exporter's filter.
    pub fn exporter(&self) -> &[u8] {
        &self.exporter
    }

    /// The local filter.
    pub fn local(&self) -> &[u8] {
        &self.local
    }

    /// Whether both names are the same.
    pub fn is_identity(&self) -> bool {
        self.to_local.is_none() && self.exporter == self.local
    }

    /// Writes the local name of what the exporter calls `subject`.
    pub fn inward(&self, subject: &[u8], out: &mut Vec<u8>) {
        rename(
            self.to_local.as_ref(),
            self.is_identity(),
            &self.local,
            subject,
            out,
        );
    }

    /// Writes the exporter's name of what is called `subject` here; a subject or a filter that is
    /// within [`Self::local`].
    pub fn outward(&self, subject: &[u8], out: &mut Vec<u8>) {
        let transform = self.to_exporter.as_ref();
        rename(transform, self.is_identity(), &self.exporter, subject, out);
    }

    /// The exporter's filter for what a local `filter` asks for of this import: `None` if that is
    /// nothing.
    pub fn asked_for(&self, filter: &[u8]) -> Option<Vec<u8>> {
        let both = intersection(filter, &self.local)?;
        let mut out = Vec::with_capacity(both.len());
        self.outward(&both, &mut out);
        Some(out)
    }
}

fn rename(
    transform: Option<&Transform>,
    same: bool,
    fixed: &[u8],
    subject: &[u8],
    out: &mut Vec<u8>,
) {
    match transform {
        Some(transform) => transform.rewrite(subject, 0, out),
        None => {
            out.clear();
            out.extend_from_slice(if same { subject } else { fixed });
        }
    }
}

/// The filter of what two filters both match, if there is such a thing.
pub fn intersection(a: &[u8], b: &[u8]) -> Option<Vec<u8>> {
    let is_dot: fn(&u8) -> bool = |&byte| byte == b'.';
    let (mut left, mut right) = (a.split(is_dot), b.split(is_dot));
    let mut out: Vec<&[u8]> = Vec::new();
    loop {
        match (left.next(), right.next()) {
            (None, None) => break,
            (Some(b">"), Some(token)) => {
                out.push(token);
                out.extend(right);
                break;
            }
            (Some(token), Some(b">")) => {
                out.push(token);
                out.extend(left);
                break;
            }
            (Some(b"*"), Some(token)) => out.push(token),
            (Some(token), Some(other)) if other == b"*" || token == other => out.push(token),
            _ => return None,
        }
    }
    Some(out.join(&b'.'))
}

#[cfg(test)]
mod tests;
