//! The one program a process may execute: named at an address that only the stub knows, and gone once it was used.
//!
//! A process that could execute again would do so from a second thread, which the kernel's promise to end it with the
//! platform does not follow. A filter cannot read a path, but it can compare the address of one.

use std::{
    ffi::CString,
    hash::{BuildHasher as _, RandomState},
    num::NonZeroUsize,
    ptr,
};

use nix::{
    errno::Errno,
    libc,
    sys::mman::{MapFlags, ProtFlags, mmap_anonymous},
};

use super::{Named as _, Step, c_string};

/// The room for a path with its end.
const PAGE: usize = 4096;
/// Below this every machine has addresses for programs.
const SPACE: u64 = 1 << 38;
/// Addresses that may be taken are tried so many times.
const TRIES: u32 = 16;

/// A path at its place in memory.
#[derive(Debug)]
pub(super) struct OneProgram {
    address: usize,
}

impl OneProgram {
    /// Puts a path where nobody can guess it.
    #[allow(unsafe_code, reason = "memory at an address of our choice")]
    pub(super) fn at_a_secret_place(path: &std::path::Path) -> Step<Self> {
        let path = c_string(path.as_os_str())?;
        let bytes = path.as_bytes_with_nul();
        let room = PAGE.checked_sub(bytes.len()).ok_or("the program's path is too long")?;
        for _ in 0..TRIES {
            let random = RandomState::new().hash_one(0);
            let page = usize::try_from(random % SPACE).step("address")? & !(PAGE - 1);
            let Some(wanted) = NonZeroUsize::new(page) else { continue };
            let size = NonZeroUsize::MIN.saturating_add(PAGE - 1);
            let (access, flags) = (
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED_NOREPLACE,
            );
            // SAFETY: the kernel maps nothing over what is there already, and nobody else knows of the new page.
            let Ok(page) = (unsafe { mmap_anonymous(Some(wanted), size, access, flags) }) else { continue };
            let offset = usize::try_from((random >> 40) % (room as u64 + 1)).step("address")?;
            // SAFETY: the page is ours alone and offset plus length are within it.
            unsafe {
                let place = page.as_ptr().cast::<u8>().add(offset);
                ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len());
                return Ok(Self { address: place as usize });
            }
        }
        Err("no free address for the program's path".to_owned())
    }

    /// What the first argument of `execve` has to be.
    pub(super) fn address(&self) -> u64 {
        self.address as u64
    }

    /// Executes it.
    #[allow(unsafe_code, reason = "the path has to be the very string at that address")]
    pub(super) fn execute(&self, arguments: &[CString]) -> Step<std::convert::Infallible> {
        let mut pointers: Vec<*const libc::c_char> =
            arguments.iter().map(|argument| argument.as_ptr()).collect();
        pointers.push(ptr::null());
        let environment = [c"TZ=UTC".as_ptr(), ptr::null()];
        // SAFETY: the path ends with a zero, both lists end with a null, and all of it lives until the call is over.
        let failed = unsafe {
            libc::execve(self.address as *const libc::c_char, pointers.as_ptr(), environment.as_ptr())
        };
        Errno::result(failed).step("execve")?;
        Err("execve came back".to_owned())
    }
}
