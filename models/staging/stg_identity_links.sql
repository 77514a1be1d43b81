{{ loaded_rows('identity_links') }}
