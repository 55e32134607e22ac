//! What cargo knows: the crates and their direct dependencies, what is built, where it comes from.
//!
//! Three questions, three sources, each the one that answers exactly: `cargo metadata --no-deps`
//! for what our manifests declare, `cargo tree` for what is really built (metadata also lists what
//! no enabled feature asks for), and `Cargo.lock` for where every package comes from, those of
//! other platforms included. All run with `--locked`: a rule never changes what it checks.

use std::process::Command;

use serde_json::Value;

use crate::files::{read, root};

/// A crate of the workspace.
#[derive(Clone, Debug)]
pub struct Package {
    /// The name of its directory: `subject`, `bench`.
    pub name: String,
    /// What its manifest asks for.
    pub dependencies: Vec<Dependency>,
}

/// A direct dependency.
#[derive(Clone, Debug)]
pub struct Dependency {
    /// The package.
    pub package: String,
    /// The directory's name, if it is a crate of the workspace.
    pub ours: Option<String>,
    /// For tests and examples only.
    pub for_tests: bool,
}

/// A package that is compiled for this machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Built {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licence expression, empty if it states none.
    pub licence: String,
}

/// The crates of the workspace.
///
/// # Panics
/// If cargo cannot be run or does not understand the workspace.
pub fn packages() -> Vec<Package> {
    let text = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&text).expect("cargo metadata prints JSON");
    array(&metadata["packages"]).map(package).collect()
}

/// Every package that is compiled for this machine, tests included, without duplicates.
///
/// # Panics
/// If cargo cannot be run or `Cargo.lock` does not fit the manifests.
pub fn built() -> Vec<Built> {
    let format = ["--prefix", "none", "--format", "{p}\t{l}"];
    let text = cargo(&[&["tree", "--workspace"][..], &format].concat());
    let mut built: Vec<Built> = text.lines().filter_map(built_package).collect();
    built.sort();
    built.dedup();
    built
}

/// Name and source of every package in `Cargo.lock`; the source of our own is empty.
pub fn locked_sources() -> Vec<(String, String)> {
    let text = read("Cargo.lock");
    let entries = text.split("[[package]]").skip(1);
    let field = |entry: &str, key: &str| {
        let line = entry
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    entries
        .map(|entry| (field(entry, "name"), field(entry, "source")))
        .collect()
}

/// The names under `[workspace.dependencies]` that are not crates of ours.
pub fn shared_dependencies() -> Vec<String> {
    let text = read("Cargo.toml");
    let section = text
        .split("[workspace.dependencies]")
        .nth(1)
        .unwrap_or_default();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    let foreign = lines.filter(|line| !line.contains("path = ") && !line.starts_with('#'));
    foreign
        .filter_map(|line| Some(line.split_once('=')?.0.trim().to_owned()))
        .collect()
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let run = Command::new(cargo)
        .args(arguments)
        .arg("--locked")
        .current_dir(root())
        .output();
    let output = run.expect("cargo can be run where cargo runs tests");
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "cargo {}: {problem}",
        arguments.join(" ")
    );
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn package(value: &Value) -> Package {
    let manifest = value["manifest_path"].as_str().unwrap_or_default();
    Package {
        name: directory_name(manifest.trim_end_matches("/Cargo.toml")),
        dependencies: array(&value["dependencies"]).map(dependency).collect(),
    }
}

fn dependency(value: &Value) -> Dependency {
    Dependency {
        package: value["name"].as_str().unwrap_or_default().to_owned(),
        ours: value["path"].as_str().map(directory_name),
        for_tests: value["kind"] == "dev",
    }
}

fn directory_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// Reads `name v1.2.3 (path or proc-macro)<tab>licence`; `(*)` at the end says "shown before".
fn built_package(line: &str) -> Option<Built> {
    let (package, licence) = line.trim_end_matches(" (*)").split_once('\t')?;
    let mut parts = package.split(' ');
    let name = parts.next()?.to_owned();
    let version = parts.next()?.trim_start_matches('v').to_owned();
    Some(Built {
        name,
        version,
        licence: licence.to_owned(),
    })
}
