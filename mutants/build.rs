//! Copies the in-memory components of `concurrency-core` once for each patch, applies it, and lists the results.
//!
//! A patch whose text does not stand in its file exactly once fails the build: a mutant cannot rot unseen.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

#[allow(dead_code, missing_docs, unreachable_pub)]
#[path = "src/patch.rs"]
mod patch;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let memory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/concurrency-core/src/memory");
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed={}", memory.display());
    let mut modules = String::new();
    let mut entries = String::new();
    for (i, (component, patches)) in patch::PATCHES.into_iter().enumerate() {
        for (j, patch) in patches.iter().enumerate() {
            let folder = out.join(component).join(patch.name);
            copy_component(&memory, component, &folder);
            apply(patch, component, &folder);
            let path = folder.join("mod.rs");
            modules.push_str(&format!(
                "#[allow(warnings, clippy::all)] pub(crate) mod {component}_{name} {{\n\
                 pub use concurrency_core::memory::{{NamespaceConfig, Session}};\n\
                 #[path = {path:?}] pub mod {component};\n}}\n",
                name = patch.name,
            ));
            entries.push_str(&format!(
                "{component}_mutant!({component}_{name}, PATCHES[{i}].1[{j}]),\n",
                name = patch.name
            ));
        }
    }
    fs::write(out.join("modules.rs"), modules).expect("the output folder can be written");
    fs::write(out.join("entries.rs"), format!("[\n{entries}]")).expect("the output folder can be written");
}

/// `memory/lock.rs` becomes `mod.rs` of the folder, and `memory/lock/*` its neighbours.
fn copy_component(memory: &Path, component: &str, folder: &Path) {
    fs::create_dir_all(folder).expect("the output folder can be written");
    copy_file(&memory.join(format!("{component}.rs")), &folder.join("mod.rs"));
    let Ok(files) = fs::read_dir(memory.join(component)) else { return };
    for file in files {
        let file = file.expect("the folder can be read");
        copy_file(&file.path(), &folder.join(file.file_name()));
    }
}

fn copy_file(from: &Path, to: &Path) {
    let source = fs::read_to_string(from).unwrap_or_else(|e| panic!("{}: {e}", from.display()));
    fs::write(to, source.replace("crate::", "concurrency_core::")).expect("the output folder can be written");
}

fn apply(patch: &patch::Patch, component: &str, folder: &Path) {
    let name = patch.file.strip_prefix(component).and_then(|rest| rest.strip_prefix('/')).unwrap_or("mod.rs");
    let path = folder.join(name);
    let source = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{} of {}: {e}", patch.file, patch.name));
    let find = patch.find.replace("crate::", "concurrency_core::");
    let times = source.matches(&find).count();
    assert!(times == 1, "mutant {}: its text stands {times} times in {}, wanted once:\n{find}", patch.name, patch.file);
    let replace = patch.replace.replace("crate::", "concurrency_core::");
    fs::write(&path, source.replace(&find, &replace)).expect("the output folder can be written");
}
