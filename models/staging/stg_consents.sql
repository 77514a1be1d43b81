{{ loaded_rows('consents') }}
