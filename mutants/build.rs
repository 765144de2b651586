//! Copies the in-memory components of `concurrency-core` once for each patch, applies it, and lists the results.
//!
//! A patch whose text does not stand in its file exactly once fails the build: a mutant cannot rot unseen.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

#[allow(dead_code, unreachable_pub)]
#[path = "src/patch.rs"]
mod patch;
#[allow(unreachable_pub)]
#[path = "src/patches.rs"]
mod patches;

use patch::Patch;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let memory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/concurrency-core/src/memory");
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed={}", memory.display());
    let mut modules = String::new();
    let mut entries = String::new();
    for (i, (component, patches)) in patches::PATCHES.into_iter().enumerate() {
        for (j, patch) in patches.iter().enumerate() {
            let folder = out.join(component).join(patch.name);
            copy_component(&memory, component, patch, &folder);
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
fn copy_component(memory: &Path, component: &str, patch: &Patch, folder: &Path) {
    fs::create_dir_all(folder).expect("the output folder can be written");
    let mut files = vec![(format!("{component}.rs"), folder.join("mod.rs"))];
    for file in fs::read_dir(memory.join(component)).into_iter().flatten() {
        let name = file.expect("the folder can be read").file_name();
        files.push((format!("{component}/{}", name.to_string_lossy()), folder.join(name)));
    }
    let mut is_applied = false;
    for (file, copy) in files {
        let mut source = fs::read_to_string(memory.join(&file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        if file == patch.file {
            source = patch.applied(&source);
            is_applied = true;
        }
        fs::write(copy, source.replace("crate::", "concurrency_core::")).expect("the output folder can be written");
    }
    assert!(is_applied, "mutant {}: the component {component} has no file {}", patch.name, patch.file);
}
