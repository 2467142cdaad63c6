//! Use cases, planner and all port traits of SMCP.
