{{ loaded_rows('campaigns') }}
