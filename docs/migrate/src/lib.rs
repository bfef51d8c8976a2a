//! The programs that the pages beside this package show.

pub mod jsonwebtoken_after;
pub mod jwt_authorizer_after;
pub mod jwt_authorizer_before;

/// The same text against three versions.
pub mod jsonwebtoken_before {
    pub mod v9 {
        use jsonwebtoken9 as jsonwebtoken;
        include!("jsonwebtoken_before.rs");
    }
    pub mod v10 {
        use jsonwebtoken10 as jsonwebtoken;
        include!("jsonwebtoken_before.rs");
    }
    pub mod v11 {
        use jsonwebtoken11 as jsonwebtoken;
        include!("jsonwebtoken_before.rs");
    }
}
