//! The one place with `unsafe`: system calls by number, as hostile code makes them.

use nix::errno::Errno;

/// A result of the kernel.
pub(crate) type Done = std::result::Result<usize, Errno>;

/// A system call. Missing arguments are 0.
#[allow(unsafe_code, reason = "hostile code makes any call with any argument; that is what is tested")]
pub(crate) fn call(number: i64, arguments: &[usize]) -> Done {
    let at = |index: usize| arguments.get(index).copied().unwrap_or_default();
    // SAFETY: every caller passes addresses of memory that is valid for the call, or none; a call that breaks this
    // process breaks nothing else, which is what the suite is there to show.
    let result = unsafe { nix::libc::syscall(number, at(0), at(1), at(2), at(3), at(4), at(5)) };
    usize::try_from(result).map_err(|_| Errno::last())
}

/// The address of a value, for a call.
pub(crate) fn address<T: ?Sized>(value: &T) -> usize {
    std::ptr::from_ref(value).cast::<u8>() as usize
}

/// The address of a value that the kernel fills in.
pub(crate) fn address_mut<T: ?Sized>(value: &mut T) -> usize {
    std::ptr::from_mut(value).cast::<u8>() as usize
}

/// Text with its closing zero.
pub(crate) fn text(words: &str) -> Vec<u8> {
    let mut bytes = words.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// Ends this process at once, as a child that has shown what it had to show.
pub(crate) fn leave() -> ! {
    loop {
        let _ = call(nix::libc::SYS_exit_group, &[0]);
    }
}

/// `getpid` of the 32-bit system calls, whose numbers mean something else than ours.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "no function makes a 32-bit call from 64-bit code")]
pub(crate) fn call_32_bit(number: u32) -> i32 {
    let result: i64;
    // SAFETY: a system call that touches no memory; the kernel keeps all registers but these.
    unsafe {
        std::arch::asm!("int 0x80", inlateout("rax") i64::from(number) => result,
            lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _);
    }
    i32::try_from(result).unwrap_or(-1)
}

/// Memory from the kernel, or why not.
pub(crate) fn map(bytes: usize, protection: i32, flags: i32) -> Done {
    let word = |number: i32| usize::try_from(number).unwrap_or_default();
    let anonymous = word(flags | nix::libc::MAP_ANONYMOUS);
    call(nix::libc::SYS_mmap, &[0, bytes, word(protection), anonymous, usize::MAX, 0])
}

/// Writes one byte to every page of memory that `map` gave.
#[allow(unsafe_code, reason = "memory is counted only when it is touched")]
pub(crate) fn touch(start: usize, bytes: usize) {
    for offset in (0..bytes).step_by(4096) {
        let page = (start + offset) as *mut u8;
        // SAFETY: `start` is a fresh writable mapping of `bytes` bytes that nothing else knows.
        unsafe { page.write_volatile(1) };
    }
}
