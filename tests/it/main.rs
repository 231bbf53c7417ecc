//! The functions as processes, as the platform starts them.
