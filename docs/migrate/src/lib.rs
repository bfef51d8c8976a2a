//! The programs that the pages beside this package show.

pub mod axum_jwt_auth_after;
pub mod axum_jwt_auth_before;
pub mod extension_bridge;
pub mod jsonwebtoken_after;
pub mod jwt_authorizer_after;
pub mod jwt_authorizer_before;
pub mod oauth_resource_server_after;
pub mod oauth_resource_server_before;
pub mod side_by_side;
pub mod tower_oauth2_resource_server_after;
pub mod tower_oauth2_resource_server_before;
pub mod where_present;

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
