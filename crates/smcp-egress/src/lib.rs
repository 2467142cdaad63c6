//! What leaves the platform on behalf of hosted code.
