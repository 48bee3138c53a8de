"""Addresses of the pages."""

from django.urls import path

from central.pages import board, cases, following, looking, maps, officer

app_name = "pages"
urlpatterns = [
    path("", board.board, name="board"),
    path("start/", board.home, name="home"),
    path("services/", board.services, name="services"),
    path("live/", following.changes, name="live"),
    path("appearance/", board.appearance, name="appearance"),
    path("design/", board.design, name="design"),
    path("map/cases/", maps.cases, name="map-cases"),
    path("map/cameras/", maps.cameras, name="map-cameras"),
    path("map/grids/<int:level>/", maps.grids, name="map-grids"),
    path("cases/<int:case_id>/", cases.detail, name="case"),
    path("cases/<int:case_id>/sheet/", cases.sheet, name="sheet"),
    path("cases/<int:case_id>/pictures/<str:sha256>.jpg", cases.picture, name="picture"),
    path("cases/<int:case_id>/thumbnails/<str:sha256>.jpg", cases.thumbnail, name="thumbnail"),
    path("cases/<int:case_id>/plate/", looking.show_plate, name="show-plate"),
    path("access-log/", looking.access_log_page, name="access-log"),
    path("officer/", officer.tasks, name="officer"),
    path("officer/<int:order_id>/", officer.task, name="task"),
    path("officer/<int:order_id>/accept/", officer.accept, name="accept"),
    path("officer/<int:order_id>/close/", officer.close, name="close"),
    path("officer/<int:order_id>/decline/", officer.decline, name="decline"),
    path("officer/<int:order_id>/note/", officer.note, name="note"),
    path("officer/<int:order_id>/photos/", officer.photos, name="photos"),
]
