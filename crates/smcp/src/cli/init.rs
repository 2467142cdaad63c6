//! `smcp init`: writes a project that can be deployed as it is.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use smcp_types::Slug;

use super::{Context, failure::Failure};

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The name of the server, or the folder to make, whose last part is its name
    #[arg(value_name = "NAME|DIR")]
    target: PathBuf,
    /// What to write it in
    #[arg(long, value_enum, default_value_t = Template::Typescript)]
    template: Template,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Template {
    /// On the official SDK; needs Node.js and npm
    Typescript,
    /// One file, without packages or a build step
    Javascript,
}

/// A file of a template: where it goes, and its text with `{{name}}`.
type File = (&'static str, &'static str);

const TYPESCRIPT: &[File] = &[
    (".gitignore", include_str!("../../templates/typescript/gitignore")),
    ("README.md", include_str!("../../templates/typescript/README.md")),
    ("package.json", include_str!("../../templates/typescript/package.json")),
    ("smcp.toml", include_str!("../../templates/typescript/smcp.toml")),
    ("src/index.ts", include_str!("../../templates/typescript/src/index.ts")),
    ("tsconfig.json", include_str!("../../templates/typescript/tsconfig.json")),
];
const JAVASCRIPT: &[File] = &[
    ("README.md", include_str!("../../templates/javascript/README.md")),
    ("server.js", include_str!("../../templates/javascript/server.js")),
    ("smcp.toml", include_str!("../../templates/javascript/smcp.toml")),
];

impl Template {
    const fn files(self) -> &'static [File] {
        match self {
            Self::Typescript => TYPESCRIPT,
            Self::Javascript => JAVASCRIPT,
        }
    }
}

pub(crate) fn run(context: &Context, args: &InitArgs) -> Result<(), Failure> {
    let name = name_of(&args.target)?;
    let files = args.template.files();
    let taken = files.iter().filter(|(path, _)| args.target.join(path).symlink_metadata().is_ok());
    let taken: Vec<String> = taken.map(|(path, _)| args.target.join(path).display().to_string()).collect();
    if !taken.is_empty() {
        return Err(
            Failure::input("these files are there already, and nothing is overwritten").details(taken)
        );
    }
    for (path, text) in files {
        let path = args.target.join(path);
        let written = write(&path, &text.replace("{{name}}", name.as_str()));
        written.map_err(|error| Failure::input(format!("cannot write {}: {error}", path.display())))?;
    }
    let paths: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
    let document = serde_json::json!({ "server": name, "folder": args.target, "files": paths });
    context.out.data(&document, || {
        let lines = paths.iter().map(|path| args.target.join(path).display().to_string());
        lines.collect::<Vec<_>>().join("\n")
    })?;
    context.out.talk(&format!("\nnext:\n{}", next_steps(args, &name)));
    Ok(())
}

fn next_steps(args: &InitArgs, name: &Slug) -> String {
    let mut steps = Vec::new();
    if args.target != Path::new(".") {
        steps.push(format!("cd {}", args.target.display()));
    }
    match args.template {
        Template::Typescript => steps.push("npm install".to_owned()),
        Template::Javascript => {}
    }
    steps.push("smcp deploy".to_owned());
    steps.push(format!("smcp call {name} greet --arg name=Ada"));
    steps.iter().map(|step| format!("  {step}")).collect::<Vec<_>>().join("\n")
}

/// The server's name: the last part of the folder's path.
fn name_of(target: &Path) -> Result<Slug, Failure> {
    // `.` and `..` have a name only once they are looked up.
    let known = match target.file_name() {
        Some(name) => Some(name.to_owned()),
        None => target.canonicalize().ok().and_then(|path| path.file_name().map(ToOwned::to_owned)),
    };
    let name = known.as_ref().and_then(|name| name.to_str()).unwrap_or_default();
    name.parse().map_err(|why| {
        let failure = Failure::input(format!("{name:?} cannot be the name of a server: {why}"));
        match suggestion(name) {
            Some(better) => failure.hint(format!("smcp init {}", target.with_file_name(better).display())),
            None => failure,
        }
    })
}

/// The nearest name that follows the rules, if there is one.
fn suggestion(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let words = lower.split(|char: char| !char.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let joined = words.collect::<Vec<_>>().join("-");
    let cut: String = joined.chars().take(smcp_types::limits::MAX_SLUG_CHARS).collect();
    let better = cut.trim_end_matches('-').to_owned();
    better.parse::<Slug>().ok().map(|_| better)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_templates_is_written() {
        for template in [Template::Typescript, Template::Javascript] {
            let value = template.to_possible_value().unwrap();
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates").join(value.get_name());
            let mut there = Vec::new();
            let mut folders = vec![folder.clone()];
            while let Some(next) = folders.pop() {
                for entry in fs::read_dir(next).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() {
                        folders.push(path);
                    } else {
                        let name = path.strip_prefix(&folder).unwrap().to_str().unwrap();
                        there.push(if name == "gitignore" {
                            ".gitignore".to_owned()
                        } else {
                            name.to_owned()
                        });
                    }
                }
            }
            there.sort();
            let written: Vec<&str> = template.files().iter().map(|(path, _)| *path).collect();
            assert_eq!(there, written);
        }
    }

    #[test]
    fn a_name_comes_from_the_folder_and_a_wrong_one_is_mended() {
        assert_eq!(name_of(Path::new("/tmp/my-notes/")).unwrap().as_str(), "my-notes");
        for (wrong, better) in [
            ("My Notes", Some("my-notes")),
            ("a_b--c", Some("a-b-c")),
            ("api", None),
            ("ñ", None),
            (&*"x".repeat(40), Some(&*"x".repeat(30))),
        ] {
            assert!(name_of(Path::new(wrong)).is_err());
            assert_eq!(suggestion(wrong).as_deref(), better, "{wrong}");
        }
    }
}
