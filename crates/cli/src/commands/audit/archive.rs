//! What an audit gathered: documents of servers, accounts and streams, in the official tool's archives.
//!
//! ```text
//! capture/clusters/<cluster>/<server>/<kind>/0001.json            a server's document
//! capture/accounts/<account>/servers/<cluster>__<server>/<kind>/0001.json
//! capture/accounts/<account>/streams/<stream>/replicas/<cluster>__<server>/stream_info/0001.json
//! capture/profiles/<cluster>/<server>__<profile>.prof
//! capture/misc/manifest.json                                      path ▶ tags, by which it is read
//! ```
//!
//! Servers choose their names and those of clusters: in a path, what could lead elsewhere is replaced.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::zip;
use crate::error::{Context, Error, Result};
use crate::output::number;

/// The cluster of a server that is in none.
pub(super) const UNCLUSTERED: &str = "unclustered";

/// Bytes of all documents of one kind, which are in memory together.
const MAX_KIND_BYTES: usize = 1 << 30;

const MANIFEST: &str = "capture/misc/manifest.json";
const METADATA: &str = "capture/misc/audit_gather_metadata.json";
const LOG: &str = "capture/misc/audit_gather_log.log";

/// What a document is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) cluster: String,
    pub(super) server: String,
    pub(super) account: Option<String>,
    pub(super) stream: Option<String>,
}

/// When and by whom an archive was made, as the official tool writes it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Metadata {
    pub(super) capture_timestamp: String,
    pub(super) connected_server_name: String,
    pub(super) connected_server_version: String,
    pub(super) connect_url: String,
    pub(super) user_name: String,
    pub(super) version: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    name: String,
    value: String,
}

type Manifest = BTreeMap<String, Vec<Tag>>;

fn tag(name: &str, value: &str) -> Tag {
    Tag {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

impl Place {
    /// `cluster` and `server` of an answer.
    pub(super) fn of(server: &Value) -> Self {
        let text = |key: &str| server.get(key).and_then(Value::as_str).unwrap_or_default();
        let cluster = match text("cluster") {
            "" => UNCLUSTERED,
            cluster => cluster,
        };
        Place {
            cluster: cluster.to_owned(),
            server: text("name").to_owned(),
            account: None,
            stream: None,
        }
    }

    /// The same server's view of an account.
    pub(super) fn account(&self, account: &str) -> Self {
        Place {
            account: Some(account.to_owned()),
            ..self.clone()
        }
    }

    /// The same server's view of a stream of this account.
    pub(super) fn stream(&self, stream: &str) -> Self {
        Place {
            stream: Some(stream.to_owned()),
            ..self.clone()
        }
    }

    fn tagged(tags: &[Tag]) -> Self {
        let owned = |name: &str| value(tags, name).map(str::to_owned);
        Place {
            cluster: owned("cluster").unwrap_or_default(),
            server: owned("server").unwrap_or_default(),
            account: owned("account"),
            stream: owned("stream"),
        }
    }

    fn folder(&self, kind: &str) -> String {
        let [cluster, server] = [safe(&self.cluster), safe(&self.server)];
        match (&self.account, &self.stream) {
            (None, _) => format!("capture/clusters/{cluster}/{server}/{kind}"),
            (Some(account), None) => {
                let account = safe(account);
                format!("capture/accounts/{account}/servers/{cluster}__{server}/{kind}")
            }
            (Some(account), Some(stream)) => {
                let [account, stream] = [safe(account), safe(stream)];
                format!(
                    "capture/accounts/{account}/streams/{stream}/replicas/{cluster}__{server}/{kind}"
                )
            }
        }
    }

    fn tags(&self, kind: &str) -> Vec<Tag> {
        let mut tags = Vec::new();
        tags.extend(self.account.as_ref().map(|account| tag("account", account)));
        tags.push(tag("server", &self.server));
        tags.push(tag("cluster", &self.cluster));
        tags.extend(self.stream.as_ref().map(|stream| tag("stream", stream)));
        tags.push(tag("artifact_type", kind));
        tags
    }
}

/// A name as part of a path.
fn safe(name: &str) -> String {
    let safe: String = name
        .chars()
        .map(|c| {
            if matches!(c, '/' | '\\' | '\0') {
                '_'
            } else {
                c
            }
        })
        .collect();
    match safe.as_str() {
        "" | "." | ".." => format!("_{safe}"),
        _ => safe,
    }
}

/// An archive being made. It has its name once it is whole; until then it is `<name>.part`, which
/// dropping this removes.
pub(super) struct Writer {
    zip: Option<zip::Writer<BufWriter<File>>>,
    path: PathBuf,
    part: PathBuf,
    manifest: Manifest,
}

impl Writer {
    /// Starts an archive, which must not be there.
    pub(super) fn create(path: &Path) -> Result<Self> {
        if path.exists() {
            return Err(Error::new(format!("{} exists", path.display()))
                .hint("Name another file with --output."));
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = File::create(&part).context(part.display())?;
        Ok(Writer {
            zip: Some(zip::Writer::new(BufWriter::new(file))),
            path: path.to_owned(),
            part,
            manifest: Manifest::new(),
        })
    }

    /// Adds a document; further ones of the same place and kind get numbers of their own.
    pub(super) fn add(&mut self, place: &Place, kind: &str, document: &Value) -> Result<()> {
        let folder = place.folder(kind);
        let paths = (1..).map(|page| format!("{folder}/{page:04}.json"));
        let mut free = paths.filter(|path| !self.manifest.contains_key(path));
        let path = free.next().context("numbers do not end")?;
        self.put(
            path,
            place.tags(kind),
            &serde_json::to_vec_pretty(document)?,
        )
    }

    /// Adds a profile.
    pub(super) fn add_profile(&mut self, place: &Place, name: &str, contents: &[u8]) -> Result<()> {
        let (cluster, server) = (safe(&place.cluster), safe(&place.server));
        let path = format!("capture/profiles/{cluster}/{server}__{}.prof", safe(name));
        let mut tags = place.tags("profile");
        tags.push(tag("profile_name", name));
        self.put(path, tags, contents)
    }

    /// Adds who gathered and what was said meanwhile, and gives the archive its name.
    pub(super) fn finish(mut self, metadata: &Metadata, log: &str) -> Result<()> {
        let special = |name: &str| vec![tag("special", name)];
        let text = serde_json::to_vec_pretty(metadata)?;
        self.put(METADATA.to_owned(), special("audit_gather_metadata"), &text)?;
        self.put(LOG.to_owned(), special("audit_gather_log"), log.as_bytes())?;
        let manifest = serde_json::to_vec_pretty(&self.manifest)?;
        let mut zip = self.zip.take().context("an archive ends once")?;
        zip.add(MANIFEST, &manifest)?;
        zip.finish()?;
        std::fs::rename(&self.part, &self.path).context(self.path.display())
    }

    fn put(&mut self, path: String, tags: Vec<Tag>, contents: &[u8]) -> Result<()> {
        let zip = self.zip.as_mut().context("an archive ends once")?;
        zip.add(&path, contents)?;
        self.manifest.insert(path, tags);
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // It is gone already where the archive was finished.
        let _ = std::fs::remove_file(&self.part);
    }
}

/// An archive to be analysed.
pub(super) struct Archive {
    zip: zip::Archive<BufReader<File>>,
    manifest: Manifest,
    pub(super) metadata: Metadata,
}

impl Archive {
    /// Opens an archive of ours or of the official tool.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        let file = File::open(path).context(&shown)?;
        Self::read(file).context(&shown)
    }

    fn read(file: File) -> Result<Self> {
        let zip = zip::Archive::open(BufReader::new(file))?;
        let manifest = zip.read(MANIFEST)?.ok_or_else(|| {
            Error::new("no archive of an audit: it has no manifest")
                .hint("`nats audit gather` makes one.")
        })?;
        let manifest = serde_json::from_slice(&manifest).context("the manifest")?;
        let metadata = match zip.read(METADATA)? {
            Some(text) => serde_json::from_slice(&text).context(METADATA)?,
            None => Metadata::default(),
        };
        Ok(Archive {
            zip,
            manifest,
            metadata,
        })
    }

    /// Every document of a kind, with what it is about, in the order of their places.
    pub(super) fn documents(&self, kind: &str) -> Result<Vec<(Place, Value)>> {
        let mut found = Vec::new();
        let mut bytes = 0;
        for (path, tags) in &self.manifest {
            if value(tags, "artifact_type") != Some(kind) || !path.ends_with(".json") {
                continue;
            }
            let contents = self.contents(path, &mut bytes)?;
            let document = serde_json::from_slice(&contents).context(path)?;
            found.push((Place::tagged(tags), document));
        }
        Ok(found)
    }

    /// Every profile of this name, with the server that it is of.
    pub(super) fn profiles(&self, name: &str) -> Result<Vec<(Place, Vec<u8>)>> {
        let mut found = Vec::new();
        let mut bytes = 0;
        for (path, tags) in &self.manifest {
            if value(tags, "artifact_type") == Some("profile")
                && value(tags, "profile_name") == Some(name)
            {
                found.push((Place::tagged(tags), self.contents(path, &mut bytes)?));
            }
        }
        Ok(found)
    }

    /// An entry that the manifest names; `bytes` counts what was read for one question.
    fn contents(&self, path: &str, bytes: &mut usize) -> Result<Vec<u8>> {
        let contents = self.zip.read(path)?;
        let contents = contents.context(format!("{path} is in the manifest only"))?;
        *bytes = bytes.saturating_add(contents.len());
        match *bytes > MAX_KIND_BYTES {
            true => Err(Error::new(format!(
                "the archive has more than {} of one kind of document",
                number::bytes(MAX_KIND_BYTES as u64)
            ))),
            false => Ok(contents),
        }
    }
}

fn value<'a>(tags: &'a [Tag], name: &str) -> Option<&'a str> {
    let tag = tags.iter().find(|tag| tag.name == name)?;
    Some(tag.value.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn archives_come_back() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("a.zip");
        let mut writer = Writer::create(&path).expect("a new file");
        let server = Place::of(&json!({ "name": "../n1" }));
        writer
            .add(&server, "variables", &json!({ "page": 1 }))
            .expect("room");
        writer
            .add(&server, "variables", &json!({ "page": 2 }))
            .expect("room");
        let stream = server.account("A").stream("S");
        writer
            .add(&stream, "stream_info", &json!({}))
            .expect("room");
        writer
            .add_profile(&server, "heap", b"profile")
            .expect("room");
        assert!(!path.exists());
        let metadata = Metadata {
            version: "1".to_owned(),
            ..Metadata::default()
        };
        writer.finish(&metadata, "done\n").expect("room");
        let archive = Archive::open(&path).expect("an archive");
        assert_eq!(archive.metadata.version, "1");
        let pages = archive.documents("variables").expect("whole");
        let numbers: Vec<_> = pages
            .iter()
            .map(|(place, page)| (place, page["page"].as_u64()))
            .collect();
        assert_eq!(numbers, [(&server, Some(1)), (&server, Some(2))]);
        assert_eq!(
            archive.documents("stream_info").expect("whole"),
            [(stream, json!({}))]
        );
        assert!(
            archive.manifest.keys().all(|path| !path.contains("../")),
            "{:?}",
            archive.manifest
        );
        assert!(Writer::create(&path).is_err());
        let profiles = archive.profiles("heap").expect("whole");
        assert_eq!(profiles, [(server, b"profile".to_vec())]);
        let given_up = dir.path().join("b.zip");
        drop(Writer::create(&given_up));
        assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 1);
    }
}
