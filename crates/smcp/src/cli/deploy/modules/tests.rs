//! Collecting modules from folders made for it.

use std::os::unix::fs::symlink;

use super::*;

fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn names(folder: &Path, main: &str) -> Vec<String> {
    collect(folder, main).unwrap().iter().map(|module| format!("{} {}", module.name, module.kind)).collect()
}

fn mistakes(folder: &Path, main: &str) -> Vec<String> {
    collect(folder, main).unwrap_err().report().unwrap().details.clone()
}

#[test]
fn everything_that_is_reached_is_taken_once_and_nothing_else() {
    let folder = project(&[
        (
            "src/index.js",
            "import './lib/a.js'; import '../data/words.txt'; import 'node:buffer'; import('zod')",
        ),
        ("src/lib/a.js", "export * from '../index.js'; import x from './b.mjs'; import w from './c.wasm'"),
        ("src/lib/b.mjs", "import j from '.././../data/j.json' with { type: 'json' }"),
        ("src/lib/c.wasm", "\0asm"),
        ("data/words.txt", "import './never.js'"),
        ("data/j.json", "{}"),
        ("unused.js", ""),
    ]);
    assert_eq!(
        names(folder.path(), "src/index.js"),
        [
            "data/j.json json",
            "data/words.txt text",
            "src/index.js es_module",
            "src/lib/a.js es_module",
            "src/lib/b.mjs es_module",
            "src/lib/c.wasm wasm",
        ]
    );
}

#[test]
fn what_cannot_be_uploaded_is_told_with_its_line() {
    let folder = project(&[
        (
            "a.js",
            "import 'zod';\nimport './b';\nimport './no.js'; import '../up.js'\nimport './c.ts'\nimport '/etc/x.js'",
        ),
        ("b.js", ""),
        ("c.ts", ""),
    ]);
    assert_eq!(
        mistakes(folder.path(), "a.js"),
        [
            "a.js line 1: \"zod\" is a package: set `bundle = true` in smcp.toml (a module of Node.js is written node:…)",
            "a.js line 2: \"./b\" has no ending that the runtime knows, such as .js, .mjs, .wasm, .json or .txt",
            "a.js line 3: \"./no.js\" is not there",
            "a.js line 3: \"../up.js\" leads out of the project's folder",
            "a.js line 4: \"./c.ts\" has no ending that the runtime knows, such as .js, .mjs, .wasm, .json or .txt",
            "a.js line 5: \"/etc/x.js\" is neither a relative path nor a package",
        ]
    );
}

#[test]
fn links_may_not_lead_out() {
    let outside = project(&[("secret.txt", "s"), ("inner/x.js", "")]);
    let folder =
        project(&[("a.js", "import './in.txt'; import './out.txt'; import './dir/x.js'"), ("real.txt", "r")]);
    symlink("real.txt", folder.path().join("in.txt")).unwrap();
    symlink(outside.path().join("secret.txt"), folder.path().join("out.txt")).unwrap();
    symlink(outside.path().join("inner"), folder.path().join("dir")).unwrap();
    assert_eq!(
        mistakes(folder.path(), "a.js"),
        [
            "a.js line 1: \"./out.txt\" leads out of the project's folder",
            "a.js line 1: \"./dir/x.js\" leads out of the project's folder",
        ]
    );
}

#[test]
fn limits_hold_before_anything_is_read() {
    let chain: Vec<(String, String)> =
        (0..=MAX_MODULES).map(|at| (format!("m{at}.js"), format!("import './m{}.js'", at + 1))).collect();
    let mut files: Vec<(&str, &str)> = chain.iter().map(|(name, text)| (&**name, &**text)).collect();
    let last = format!("m{}.js", MAX_MODULES + 1);
    files.push((&last, ""));
    let folder = project(&files);
    assert!(
        collect(folder.path(), "m0.js")
            .unwrap_err()
            .report()
            .unwrap()
            .message
            .contains("more than 64 modules")
    );
    assert_eq!(names(folder.path(), "m2.js").len(), MAX_MODULES);

    let folder = project(&[("a.js", "import './big.bin'")]);
    let big = fs::File::create(folder.path().join("big.bin")).unwrap();
    big.set_len(MAX_BUNDLE_BYTES as u64).unwrap();
    assert!(mistakes(folder.path(), "a.js")[0].contains("too large"));
}
