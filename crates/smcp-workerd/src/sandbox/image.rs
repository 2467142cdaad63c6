//! What a program needs to start: its interpreter and its libraries, as the system's own loader finds them.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Program headers of a 64-bit little-endian file start here says this place in its head.
const PHOFF: usize = 32;
const PHENTSIZE: usize = 54;
const PHNUM: usize = 56;
/// The kind of a program header that names the interpreter.
const PT_INTERP: u32 = 3;
/// Where the platform's own binary appears for a process that is made of it.
const OWN_NAME: &str = "/bin/smcp";

/// A program and the files it is loaded with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Where the program appears.
    pub(crate) program: PathBuf,
    /// Where the stub finds it.
    pub(crate) source: PathBuf,
    /// Interpreter and libraries, each under the path it is looked for.
    pub(crate) libraries: Vec<PathBuf>,
}

impl Image {
    /// Looks into a program. Runs its loader and waits for it, the program itself does not run.
    ///
    /// # Errors
    /// When it is no program for this machine, or a library is missing.
    pub fn of(program: &Path) -> io::Result<Self> {
        let program = program.canonicalize()?;
        let libraries = libraries(&program)?;
        Ok(Self { source: program.clone(), program, libraries })
    }

    /// The binary that is the stub. It is found by its path, because the kernel mounts no file that was opened in another
    /// mount namespace: once another binary has been put in its place, that one is meant.
    ///
    /// # Errors
    /// As with any program.
    pub(crate) fn of_stub(stub: &Path) -> io::Result<Self> {
        let source = stub.canonicalize()?;
        let libraries = libraries(&source)?;
        Ok(Self { program: OWN_NAME.into(), source, libraries })
    }
}

/// What the system's loader finds for a program.
fn libraries(program: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(interpreter) = interpreter(program)? else { return Ok(Vec::new()) };
    #[allow(clippy::disallowed_methods, reason = "this crate owns the processes of the platform")]
    let output =
        Command::new(&interpreter).arg("--list").arg(program).env_clear().stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("{}: {}", program.display(), why.trim())));
    }
    let mut libraries = vec![interpreter];
    for path in listed(&String::from_utf8_lossy(&output.stdout))? {
        if !libraries.contains(&path) {
            libraries.push(path);
        }
    }
    Ok(libraries)
}

/// The paths in a loader's list: `name => path (address)` or `path (address)`.
fn listed(list: &str) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for line in list.lines() {
        let line = line.trim();
        let found = line.split_once(" => ").map_or(line, |(_, found)| found);
        let path = found.rsplit_once(" (").map_or(found, |(path, _)| path);
        if path == "not found" {
            return Err(io::Error::other(format!("a library is missing: {line}")));
        }
        // What the kernel provides has no path.
        if path.starts_with('/') {
            paths.push(PathBuf::from(path));
        }
    }
    Ok(paths)
}

/// The interpreter an ELF file asks for.
fn interpreter(program: &Path) -> io::Result<Option<PathBuf>> {
    let mut file = File::open(program)?;
    let mut head = [0; 64];
    file.read_exact(&mut head)?;
    let alien = || io::Error::other(format!("{} is no 64-bit ELF program", program.display()));
    if head[..6] != *b"\x7fELF\x02\x01" {
        return Err(alien());
    }
    let short = |at: usize| usize::from(u16::from_le_bytes([head[at], head[at + 1]]));
    let start = long(&head, PHOFF).ok_or_else(alien)?;
    let (size, count) = (short(PHENTSIZE), short(PHNUM));
    let mut table = vec![0; size * count];
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut table)?;
    for entry in table.chunks_exact(size.max(1)) {
        if entry.first_chunk().map(|kind| u32::from_le_bytes(*kind)) != Some(PT_INTERP) {
            continue;
        }
        let (Some(offset), Some(length)) = (long(entry, 8), long(entry, 32)) else { return Err(alien()) };
        let mut path = String::new();
        file.seek(SeekFrom::Start(offset))?;
        file.take(length).read_to_string(&mut path)?;
        return Ok(Some(PathBuf::from(path.trim_end_matches('\0'))));
    }
    Ok(None)
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_this_machine_is_understood() {
        let image = Image::of(&std::env::current_exe().unwrap()).unwrap();
        assert!(image.libraries.iter().all(|path| path.is_file()), "{image:?}");
        assert!(image.libraries.iter().any(|path| path.to_string_lossy().contains("libc.so")), "{image:?}");
        assert!(Image::of(Path::new("/etc/passwd")).is_err());
    }

    #[test]
    fn a_loaders_list_is_read() {
        let list = "\tlinux-vdso.so.1 (0x1)\n\tlibm.so.6 => /lib/libm.so.6 (0x2)\n\t/lib64/ld.so (0x3)\n";
        assert_eq!(listed(list).unwrap(), ["/lib/libm.so.6", "/lib64/ld.so"].map(PathBuf::from));
        assert!(listed("\tlibx.so => not found\n").is_err());
    }
}
