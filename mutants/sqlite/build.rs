//! Copies `concurrency-sqlite` once for each patch, applies it, and lists the results.
//!
//! A patch whose text does not stand in its file exactly once fails the build: a mutant cannot rot unseen.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

#[allow(dead_code, unreachable_pub)]
#[path = "../src/patch.rs"]
mod patch;
#[allow(unreachable_pub)]
#[path = "src/patches.rs"]
mod patches;

use patch::Patch;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let sqlite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/concurrency-sqlite/src");
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed={}", sqlite.display());
    let mut modules = String::new();
    let mut entries = String::new();
    for (i, (_, patch)) in patches::PATCHES.iter().enumerate() {
        let (name, folder) = (patch.name, out.join(patch.name));
        copy(&sqlite, "", patch, &folder);
        let applied = fs::read_to_string(sqlite.join(patch.file)).is_ok();
        assert!(applied, "mutant {name}: there is no file {}", patch.file);
        let root = folder.join("lib.rs");
        modules.push_str(&format!("#[allow(warnings, clippy::all)] #[path = {root:?}] pub(crate) mod {name};\n"));
        entries.push_str(&format!("mutant!({name}, PATCHES[{i}]),\n"));
    }
    fs::write(out.join("modules.rs"), modules).expect("the output folder can be written");
    fs::write(out.join("entries.rs"), format!("[\n{entries}]")).expect("the output folder can be written");
}

/// What stands in the folder `inside` of the sources, with the paths of a module that was a crate, and without its tests and its
/// documentation, whose examples are tests as well.
fn copy(sources: &Path, inside: &str, patch: &Patch, out: &Path) {
    let crate_of_the_copy = format!("crate::modules::{}::", patch.name);
    fs::create_dir_all(out.join(inside)).expect("the output folder can be written");
    for entry in fs::read_dir(sources.join(inside)).expect("the sources can be read") {
        let entry = entry.expect("the sources can be read");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if inside.is_empty() { name } else { format!("{inside}/{name}") };
        if entry.path().is_dir() {
            copy(sources, &path, patch, out);
            continue;
        }
        let mut source = fs::read_to_string(entry.path()).unwrap_or_else(|e| panic!("{path}: {e}"));
        if path == patch.file {
            source = patch.applied(&source);
        }
        let code = source.lines().filter(|line| !["///", "//!"].iter().any(|doc| line.trim_start().starts_with(doc)));
        let source: String = code.flat_map(|line| [line, "\n"]).collect();
        let source = source.replace("crate::", &crate_of_the_copy).replace("#[cfg(test)]", "#[cfg(any())]");
        fs::write(out.join(path), source).expect("the output folder can be written");
    }
}
