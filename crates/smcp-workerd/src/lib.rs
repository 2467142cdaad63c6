//! Runs hosted code: workerd processes, their sockets and logs.
