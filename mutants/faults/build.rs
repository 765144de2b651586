//! Copies the lossy channel of `concurrency-conformance` once for each patch, applies it, and lists the results.
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
    let fault = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/concurrency-conformance/src/fault");
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed={}", fault.display());
    let mut modules = String::new();
    let mut entries = String::new();
    for (i, (_, patch)) in patches::PATCHES.iter().enumerate() {
        let (name, folder) = (patch.name, out.join(patch.name));
        copy(&fault, patch, &folder);
        let root = folder.join("mod.rs");
        modules.push_str(&format!("#[allow(warnings, clippy::all)] #[path = {root:?}] pub(crate) mod {name};\n"));
        entries.push_str(&format!("mutant!({name}, PATCHES[{i}]),\n"));
    }
    fs::write(out.join("modules.rs"), modules).expect("the output folder can be written");
    fs::write(out.join("entries.rs"), format!("[\n{entries}]")).expect("the output folder can be written");
}

/// `channel.rs` becomes `mod.rs` of the folder, and `channel/*` its neighbours.
fn copy(fault: &Path, patch: &Patch, folder: &Path) {
    fs::create_dir_all(folder).expect("the output folder can be written");
    let mut files = vec![("channel.rs".to_owned(), folder.join("mod.rs"))];
    for file in fs::read_dir(fault.join("channel")).expect("the folder can be read") {
        let name = file.expect("the folder can be read").file_name();
        files.push((format!("channel/{}", name.to_string_lossy()), folder.join(name)));
    }
    let mut is_applied = false;
    for (file, copy) in files {
        let mut source = fs::read_to_string(fault.join(&file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        if file == patch.file {
            source = patch.applied(&source);
            is_applied = true;
        }
        let source = source.replace("crate::", "concurrency_conformance::");
        fs::write(copy, source).expect("the output folder can be written");
    }
    assert!(is_applied, "mutant {}: the channel has no file {}", patch.name, patch.file);
}
