//! Public keys, and tokens of `{"sub":"anna"}` that openssl signed with the private ones.

pub(super) const RSA: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtVjDMB4E9q1dHHinxUXK\n\
CICYFxnANwE+jLO6tcYSaMO2Zbm9NVCeGjNIuB+i/Nv1dRnXXmgbTkouZl3twTyY\n\
E0NljXc3oaMaBaqDJIb93p6Kfvb0kMnkddLrNhlyOpmgi5l0ZnZ4b01GZIkp1brc\n\
2lwxKrzZYP8cqe+TceyEYUdIgBdrt0052yw29ceRqIe0j7HPLzEyMfocGnrshmt4\n\
RKuAu4CR+UzT7TrxrDkjd2XL6V/RMlVH5MFc4fZyr6bWFB6YKIGlzT1cKUM12+Fm\n\
1JMr8FPLMwDNOFseaG3THzwEkmAD1PXKM1kQAJf3Tf4fNOd++68B2wNRu8Rh6lA0\n\
xwIDAQAB\n\
-----END PUBLIC KEY-----";

pub(super) const EC: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEImVtXi/drxrzBbuAa50nXNxaQurB\n\
DtwGSLJytCvtbMCpGtDE3Oa6S2wi+BimuCr37sYs8HJZNFO7Sif+F/KBFg==\n\
-----END PUBLIC KEY-----";

pub(super) const EC384: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE5LaRvCnFwvGIDrdJBeHL5rPQSk7p3cCz\n\
/3rQUb8BWF7whBL7Yd2kOPKMY1bOFAO1737fK7yMtEGcTIUfgB3h32OMNMuE2AXh\n\
n1uk2Gtt356NPFbjzAZLCTwJhIb3ZIvK\n\
-----END PUBLIC KEY-----";

pub(super) const ED: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MCowBQYDK2VwAyEA98fAGs/4hXYrT6EAuxG+TLVZJRCYOjCyTgMuuXvru8E=\n\
-----END PUBLIC KEY-----";

pub(super) const JWKS: &str = r#"{"keys": [{"kty": "RSA", "kid": "rsa", "use": "sig", "n": "tVjDMB4E9q1dHHinxUXKCICYFxnANwE-jLO6tcYSaMO2Zbm9NVCeGjNIuB-i_Nv1dRnXXmgbTkouZl3twTyYE0NljXc3oaMaBaqDJIb93p6Kfvb0kMnkddLrNhlyOpmgi5l0ZnZ4b01GZIkp1brc2lwxKrzZYP8cqe-TceyEYUdIgBdrt0052yw29ceRqIe0j7HPLzEyMfocGnrshmt4RKuAu4CR-UzT7TrxrDkjd2XL6V_RMlVH5MFc4fZyr6bWFB6YKIGlzT1cKUM12-Fm1JMr8FPLMwDNOFseaG3THzwEkmAD1PXKM1kQAJf3Tf4fNOd--68B2wNRu8Rh6lA0xw", "e": "AQAB"}, {"kty": "EC", "crv": "P-256", "kid": "ec", "x": "ImVtXi_drxrzBbuAa50nXNxaQurBDtwGSLJytCvtbMA", "y": "qRrQxNzmuktsIvgYprgq9-7GLPByWTRTu0on_hfygRY"}, {"kty": "EC", "crv": "P-384", "kid": "ec384", "x": "5LaRvCnFwvGIDrdJBeHL5rPQSk7p3cCz_3rQUb8BWF7whBL7Yd2kOPKMY1bOFAO1", "y": "737fK7yMtEGcTIUfgB3h32OMNMuE2AXhn1uk2Gtt356NPFbjzAZLCTwJhIb3ZIvK"}, {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": "98fAGs_4hXYrT6EAuxG-TLVZJRCYOjCyTgMuuXvru8E"}]}"#;

/// How each is signed, by which key of the set, the key in PEM, and the token.
pub(super) const SIGNED: &[(&str, &str, &str, &str)] = &[
    (
        "RS256",
        "rsa",
        RSA,
        "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm5hIn0.AvMhNnxMUFN1hk7KRjfIT0jdT0GtqnfN5qZz5XJsb6cul_sSc25cOdb3J6xyZUL-aaLF4qsZg1MD4j87T3t6zC-P6-Y0MRcKuu9-J41AOaWssXvqoH2q2dgVmEuXoIqf7vX4F9or-BK4u7ztznbU4PLx_L_uzHRTVEKbr0qXMVXq4BEA8BmG4-4ERMRCNCu3nqpJ9kskpbmE-oCotxDPXFit2fyPKwYfAwdsNxPrBVysSuu963YseRumLT32gb3sIhWSkv5CDgDH5UD0FXEFpMEnTkP60AojNhY_utBnf1DUBiWm3Zq7gsuE1hWEi0a702P2RdICqT5Ia5E0lFvWqg",
    ),
    (
        "RS512",
        "rsa",
        RSA,
        "eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm5hIn0.kmrj255pu-FcX1kA52vyRaWHGaoG1HoIdRAOdDux51w9fsHdy8fF1OAy-8G1hontyJKmtKTby9QVWuBrrmy1ManZtznlmnpIuJS_dZX0j2zf5kx82EMcI84cD4S8RTi788VaiS8qfrR2iupoVarrtHdFXyxdJ9jp42vz72435rbvGpHNS5_vcel9pOJat1-_KIAuL9tyFrfo3TJTGJArqprsWknJl9tkFbjtAAmf4CFZAZsRqxRLd5ol3tq4CPEyk5dcW3o1Lxt8vGWluNrzwyhDxWnaoa7_ROy8UD1zYthDbHFHXXVJCpovpLk3lI0346jbkUPqByDaSekqjNLz6w",
    ),
    (
        "PS256",
        "rsa",
        RSA,
        "eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm5hIn0.F1f4mwqtE5gpM0u-ZCV3h1saaNcd72LVkauuxhBHqxycYJ-QUMbWoRnbOGVSp1v09BdFY5Iz7TSxQlGWcZfoFVaUC9ANXuBUEIHSnPUReFQg1K-0CLcQGVb_CtnpmgIgtAScKP4S3KJ0BfJ9NscnqeEUcISSITAq8ebkQD_mAzpiBcFjb8d08o65YWSLQJPbaJBIH7-sZ7nghjJcgrc-eAAlX0ZrWcggGpXvUrRmLnfKBgP-NkahhSD3Z2ekDoVRMuDL3zyMJm4TD3FDczH128cTeyTAWL3FTCZAI9xDmsRFQexg6M_1T1hIH5Mw6x5ygIW8-GqVdrs2YRk9ceZVrA",
    ),
    (
        "ES256",
        "ec",
        EC,
        "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm5hIn0.39Fgh8FDCEfV1v6cnlPqe12eRqqZ4Qz0UWC3PedS0NIhoNP-_3MgYSrmrzKrlug2t6KLKsmcjsOwqJwuGcjhxA",
    ),
    (
        "ES384",
        "ec384",
        EC384,
        "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm5hIn0.Fbs-TwChmaxfuLxaOIg3AMSGAnkpTHap7SZz3yuP3dVyyqGsrEOKSWmhDHUGX4TQ_pwAZQ3S7LwSIP7z7fts6fJVbdhpRNr1XvPn1LKnvUVDHa6KS_7Rnp5YFS-iFyVX",
    ),
    (
        "EdDSA",
        "ed",
        ED,
        "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm5hIn0.lBhVFu8l90jX_uqbTks83zJxZyTehRim5uMLJ3LEB3ZDWoyFfPnDQ-mN65yIT5F8l4ka9eeM7GrtCPRJfGy2AA",
    ),
];
