//! Files that exist in memory alone: what a helper program is to read that wants a file, and no disk is to see.

use std::{
    ffi::CString,
    fs::File,
    io::{self, Seek as _, Write as _},
};

use nix::{
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::memfd::{MFdFlags, memfd_create},
};

/// A file with these bytes, at its beginning, that nobody can change any more. It is gone with its last descriptor.
pub(crate) fn memory_file(bytes: &[u8]) -> io::Result<File> {
    let name = CString::from(c"smcp");
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let mut file = File::from(memfd_create(name.as_c_str(), flags)?);
    file.write_all(bytes)?;
    file.rewind()?;
    let seals =
        SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn it_is_read_from_its_beginning_and_stays_as_it_is() {
        let mut file = memory_file(b"hello").unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
        file.rewind().unwrap();
        assert!(file.write(b"j").is_err() && file.set_len(0).is_err() && file.set_len(100).is_err());
    }
}
