{{ loaded_rows('events') }}
