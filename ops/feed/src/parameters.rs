//! Query parameters: whole numbers by name, with clear refusals.

use crate::error::ApiError;

/// Reads `a=1&b=2` into the places of `names`.
///
/// # Errors
/// An unknown or repeated name, or a value that is no whole number.
pub(crate) fn numbers<const N: usize>(query: Option<&str>, names: [&str; N]) -> Result<[Option<u64>; N], ApiError> {
    let mut values = [None; N];
    let known = || match names.len() {
        0 => "this path takes no parameters".to_owned(),
        _ => format!("this path takes: {}", names.join(", ")),
    };
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(place) = names.iter().position(|&known| known == name) else {
            return Err(ApiError::bad_request(format!("unknown parameter {name:?}"), known()));
        };
        if values[place].is_some() {
            return Err(ApiError::bad_request(format!("parameter {name} is given twice"), known()));
        }
        // `parse` would take a sign.
        let number = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit())).map(str::parse::<u64>);
        let Some(Ok(number)) = number else {
            let remedy = format!("give a whole number from 0 to {}, as in {name}=10", u64::MAX);
            return Err(ApiError::bad_request(
                format!("parameter {name} is {text:?}, which is no such number"),
                remedy,
            ));
        };
        values[place] = Some(number);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn numbers_are_read_by_name() {
        let names = ["depth", "sequence"];
        assert_eq!(numbers(None, names).unwrap(), [None, None]);
        assert_eq!(numbers(Some("sequence=7&depth=1"), names).unwrap(), [Some(1), Some(7)]);
        for bad in [
            "depth",
            "depth=",
            "depth=-1",
            "depth=+1",
            "depth=x",
            "depth=1&depth=2",
            "deep=1",
            "depth=18446744073709551616",
        ] {
            assert!(numbers(Some(bad), names).is_err(), "{bad}");
        }
    }
}
